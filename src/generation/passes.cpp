#include "generation/passes.h"

#include <algorithm>

#include "generation/prefill.h"
#include "generation/tracks.h"

namespace pellucid::generation {

Result<bool> Passes::begin(std::span<const int32_t> prompt, const GenerateOptions& options) {
  n_before_ = sequence_.tokens.size() + prompt.size() - options.begun.tokens.size();
  if (sampling::is_guided(options.settings)) PELLUCID_CHECK(begin_unconditional(prompt, options));
  PELLUCID_TRY(first_, prefill(engine_, sequence_, prompt, options));
  return !first_.empty();
}

Result<void> Passes::begin_unconditional(std::span<const int32_t> prompt, const GenerateOptions& options) {
  std::vector<int32_t> tokens = options.negative_prompt;
  if (n_before_ > 0) {
    const size_t last = n_before_ - 1;
    const size_t n_run = sequence_.tokens.size();
    tokens = unconditional_prompt(options, last < n_run ? sequence_.tokens[last] : prompt[last - n_run]);
  }
  n_unconditional_before_ = tokens.size();
  tokens.insert(tokens.end(), options.begun.tokens.begin(), options.begun.tokens.end());
  unconditional_ = engine_.new_sequence();
  GenerateOptions own;
  own.cancelled = options.cancelled;
  PELLUCID_TRY(first_unconditional_, prefill(engine_, *unconditional_, tokens, own));
  return {};
}

Result<void> Passes::run(std::span<const int32_t> tokens) {
  std::vector<Run> runs{{sequence_, tokens, Want::kAll}};
  if (unconditional_) runs.push_back({*unconditional_, tokens, Want::kAll});
  PELLUCID_TRY(logits_, engine_.run(runs));
  n_run_ = tokens.size();
  return {};
}

StepLogits Passes::logits(size_t i) const {
  const auto row = [this](size_t index) {
    const auto n_vocab = static_cast<size_t>(engine_.n_vocab());
    return logits_.subspan(index * n_vocab, n_vocab);
  };
  return {row(i), unconditional_ ? row(n_run_ + i) : std::span<const float>()};
}

int Passes::room() const {
  const size_t unconditional = unconditional_ ? unconditional_->tokens.size() : 0;
  return engine_.options().n_ctx - static_cast<int>(std::max(sequence_.tokens.size(), unconditional));
}

void Passes::hold(size_t n) {
  sequence_.truncate(static_cast<int>(n_before_ + n));
  if (unconditional_) unconditional_->truncate(static_cast<int>(n_unconditional_before_ + n));
}

}  // namespace pellucid::generation
