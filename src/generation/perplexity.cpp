#include "generation/perplexity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace pellucid::generation {
namespace {

struct Sums {
  double nll = 0;
  double nll_squared = 0;
  int64_t n = 0;
  int windows = 0;

  [[nodiscard]] Perplexity result() const {
    const double count = static_cast<double>(n);
    const double mean = nll / count;
    const double variance = n > 1 ? std::max(0.0, nll_squared / count - mean * mean) / (count - 1) : 0.0;
    return {std::exp(mean), std::exp(mean) * std::sqrt(variance), mean, n, windows};
  }
};

}  // namespace

double negative_log_likelihood(std::span<const float> logits, int32_t token) {
  const double best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - best);
  return best + std::log(sum) - logits[static_cast<size_t>(token)];
}

Result<Perplexity> perplexity(Engine& engine, std::span<const int32_t> tokens, int n_window,
                              const std::function<void(const Perplexity&)>& progress,
                              const Cancelled& cancelled) {
  if (n_window < 4)
    return Error{ErrorCode::kUsage, "invalid window", fmt::format("{} is less than 4", n_window)};
  if (tokens.size() < static_cast<size_t>(n_window)) {
    return Error{ErrorCode::kContext, "the text is too short",
                 fmt::format("one window takes {} tokens, and the text has {}", n_window, tokens.size())};
  }
  const int first_scored = n_window / 2;
  Sums sums;
  for (size_t begin = 0; begin + static_cast<size_t>(n_window) <= tokens.size();
       begin += static_cast<size_t>(n_window)) {
    std::vector<int32_t> window(tokens.begin() + static_cast<ptrdiff_t>(begin),
                                tokens.begin() + static_cast<ptrdiff_t>(begin) + n_window);
    if (engine.tokenizer().adds_bos()) window.front() = engine.tokenizer().bos();
    Sequence sequence = engine.new_sequence();
    const auto score = [&](int first, std::span<const float> logits, int n_rows) -> Result<void> {
      const auto n_vocab = static_cast<size_t>(engine.n_vocab());
      for (int i = 0; i < n_rows; ++i) {
        const int position = first + i;
        if (position < first_scored || position + 1 >= n_window) continue;
        const double nll = negative_log_likelihood(logits.subspan(static_cast<size_t>(i) * n_vocab, n_vocab),
                                                   window[static_cast<size_t>(position) + 1]);
        if (!std::isfinite(nll)) {
          return Error{ErrorCode::kNumeric, "cannot score the text",
                       fmt::format("the logits of position {} are not numbers", position)};
        }
        sums.nll += nll;
        sums.nll_squared += nll * nll;
        ++sums.n;
      }
      return {};
    };
    PELLUCID_CHECK(engine.extend(sequence, window, Want::kAll, score, {}, cancelled));
    if (sequence.tokens.size() < window.size()) break;
    ++sums.windows;
    if (progress) progress(sums.result());
  }
  return sums.result();
}

}  // namespace pellucid::generation
