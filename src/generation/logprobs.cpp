#include "generation/logprobs.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "sampling/exp.h"
#include "sampling/log.h"
#include "sampling/registry.h"

namespace pellucid::generation {
namespace {

/// ln of the sum of exp over a row.
double log_sum_exp(std::span<const double> logits) {
  const double best = *std::max_element(logits.begin(), logits.end());
  std::vector<double> weights(logits.begin(), logits.end());
  for (double& weight : weights) weight -= best;
  sampling::exp_nonpositive(weights);
  return best + sampling::log_positive(std::accumulate(weights.begin(), weights.end(), 0.0));
}

/// The ids of the best, in order.
std::vector<int32_t> best_ids(std::span<const double> logits, size_t count) {
  const auto better = [logits](int32_t a, int32_t b) {
    const double x = logits[static_cast<size_t>(a)];
    const double y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::erase_if(ids, [logits](int32_t id) { return std::isinf(logits[static_cast<size_t>(id)]); });
  count = std::min(count, ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(count), ids.end(), better);
  ids.resize(count);
  return ids;
}

size_t rank_of(std::span<const double> logits, size_t token) {
  const auto before = static_cast<ptrdiff_t>(token);
  const double own = logits[token];
  return 1 + static_cast<size_t>(
                 std::count_if(logits.begin(), logits.end(), [own](double x) { return x > own; }) +
                 std::count(logits.begin(), logits.begin() + before, own));
}

/// The stages that change logits and cut none.
sampling::Settings without_cuts(sampling::Settings settings) {
  const bool scales = settings.temperature != 0;
  std::erase_if(settings.order, [scales](sampling::StageId id) {
    const bool tempers =
        scales && (id == sampling::StageId::kTemperature || id == sampling::StageId::kDynamicTemperature);
    return !tempers && sampling::row(id).edit == nullptr;
  });
  return settings;
}

/// Of logits that a chain was run on.
Result<PositionLogprobs> logprobs_at(std::span<const float> logits, const sampling::ChainResult& chain,
                                     const sampling::Context& context, const sampling::State& state,
                                     int32_t token, const sampling::Settings& settings,
                                     const LogprobOptions& options) {
  if (options.kind == LogprobKind::kRaw) return raw_logprobs(logits, token, options.top);
  if (options.kind == LogprobKind::kFinal) {
    return logprobs_in(chain.candidates.by_id(), token, options.top);
  }
  PELLUCID_TRY(const sampling::ChainResult scaled,
               sampling::run_chain(logits, without_cuts(settings), context, state));
  return logprobs_in(scaled.candidates.by_id(), token, options.top);
}

}  // namespace

std::string_view to_string(LogprobKind kind) {
  switch (kind) {
    case LogprobKind::kRaw:
      return "raw";
    case LogprobKind::kScaled:
      return "scaled";
    default:
      return "final";
  }
}

PositionLogprobs logprobs_in(std::span<const double> logits, int32_t token, size_t top) {
  const double sum = log_sum_exp(logits);
  PositionLogprobs position;
  const auto index = static_cast<size_t>(token);
  if (index < logits.size() && !std::isinf(logits[index])) {
    position.token = {token, logits[index] - sum, rank_of(logits, index)};
  } else {
    position.token = {token, sampling::kRuledOut, 0};
  }
  if (top == 0) return position;
  for (const int32_t id : best_ids(logits, top)) {
    position.top.push_back({id, logits[static_cast<size_t>(id)] - sum, position.top.size() + 1});
  }
  return position;
}

PositionLogprobs raw_logprobs(std::span<const float> logits, int32_t token, size_t top) {
  return logprobs_in(std::vector<double>(logits.begin(), logits.end()), token, top);
}

Result<PositionLogprobs> logprobs_of(const StepView& step, const sampling::Settings& settings,
                                     const LogprobOptions& options) {
  return logprobs_at(step.logits, step.chain, step.context, step.state, step.token, settings, options);
}

Result<PromptLogprobs> PromptLogprobs::make(const tokenizer::Tokenizer& tokenizer,
                                            std::vector<int32_t> prompt, const GenerateOptions& options,
                                            const LogprobOptions& wanted) {
  PELLUCID_TRY(Chooser chooser,
               Chooser::make(tokenizer, options.settings, options.seed, options.stream, prompt.size()));
  return PromptLogprobs(std::move(prompt), options.settings, wanted, std::move(chooser));
}

Result<void> PromptLogprobs::add(int first, std::span<const float> logits, int n_rows) {
  const size_t n_vocab = logits.size() / static_cast<size_t>(std::max(n_rows, 1));
  for (int i = 0; i < n_rows; ++i) {
    const size_t next = static_cast<size_t>(first) + static_cast<size_t>(i) + 1;
    if (next >= prompt_.size()) break;
    const auto row = logits.subspan(static_cast<size_t>(i) * n_vocab, n_vocab);
    if (options_.kind == LogprobKind::kRaw) {
      PELLUCID_CHECK(sampling::Row::from(row));
      positions_.push_back(raw_logprobs(row, prompt_[next], options_.top));
      continue;
    }
    chooser_.go_on_from({});
    PELLUCID_CHECK(chooser_.choose(row, std::span<const int32_t>(prompt_).first(next), 0));
    PELLUCID_TRY(PositionLogprobs position, logprobs_at(row, chooser_.chain(), chooser_.context(), {},
                                                        prompt_[next], settings_, options_));
    positions_.push_back(std::move(position));
  }
  return {};
}

}  // namespace pellucid::generation
