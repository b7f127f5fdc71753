#include "generation/logprobs.h"

#include <algorithm>
#include <utility>

#include "sampling/candidates.h"
#include "sampling/registry.h"

namespace pellucid::generation {
namespace {

/// All tokens, by the model's own logits, which the step's chain has found to be numbers.
sampling::Candidates raw(std::span<const float> logits) {
  return sampling::Candidates(sampling::Row::from(logits).value());
}

/// log-softmax over who is left: the places of `token` and the `top` best in it.
PositionLogprobs logprobs_in(const sampling::Candidates& candidates, int32_t token, size_t top) {
  PositionLogprobs position{.token = {token, sampling::kRuledOut, 0}, .top = {}};
  if (const auto surprise = candidates.surprise_of(token)) {
    position.token = {token, 0 - *surprise, *candidates.rank_of(token) + 1};
  }
  for (size_t rank = 0; rank < std::min(top, candidates.size()); ++rank) {
    position.top.push_back({candidates.id(rank), 0 - candidates.surprise(rank), rank + 1});
  }
  return position;
}

/// The stages that change logits and cut none.
sampling::Settings without_cuts(sampling::Settings settings) {
  const bool scales = settings.temperature != 0;
  std::erase_if(settings.order, [scales](sampling::StageId id) {
    const bool tempers =
        scales && (id == sampling::StageId::kTemperature || id == sampling::StageId::kDynamicTemperature);
    const sampling::StageRow& stage = sampling::row(id);
    return !tempers && stage.edit == nullptr && stage.remake == nullptr;
  });
  return settings;
}

/// Of logits that a chain was run on.
Result<PositionLogprobs> logprobs_at(std::span<const float> logits, const sampling::ChainResult& chain,
                                     const sampling::Context& context, const sampling::State& state,
                                     int32_t token, const sampling::Settings& settings,
                                     const LogprobOptions& options) {
  if (options.kind == LogprobKind::kRaw) return logprobs_in(raw(logits), token, options.top);
  if (options.kind == LogprobKind::kFinal) {
    return logprobs_in(chain.candidates, token, options.top);
  }
  PELLUCID_TRY(const sampling::ChainResult scaled,
               sampling::run_chain(logits, without_cuts(settings), context, state));
  return logprobs_in(scaled.candidates, token, options.top);
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

double raw_logprob(std::span<const float> logits, int32_t token) {
  const auto surprise = raw(logits).surprise_of(token);
  return surprise ? 0 - *surprise : sampling::kRuledOut;
}

Result<PositionLogprobs> logprobs_of(const StepView& step, const sampling::Settings& settings,
                                     const LogprobOptions& options) {
  return logprobs_at(step.logits, step.chain, step.context, step.state, step.token, settings, options);
}

Result<PromptLogprobs> PromptLogprobs::make(const tokenizer::Tokenizer& tokenizer,
                                            std::vector<int32_t> prompt, const GenerateOptions& options,
                                            const LogprobOptions& wanted) {
  sampling::Settings settings = options.settings;
  settings.guidance_scale = 1;  // it is of new tokens
  PELLUCID_TRY(Chooser chooser,
               Chooser::make(tokenizer, settings, options.seed, options.stream, prompt.size()));
  return PromptLogprobs(std::move(prompt), settings, wanted, std::move(chooser));
}

Result<void> PromptLogprobs::add(int first, std::span<const float> logits, int n_rows) {
  const size_t n_vocab = logits.size() / static_cast<size_t>(std::max(n_rows, 1));
  for (int i = 0; i < n_rows; ++i) {
    const size_t next = static_cast<size_t>(first) + static_cast<size_t>(i) + 1;
    if (next >= prompt_.size()) break;
    const auto row = logits.subspan(static_cast<size_t>(i) * n_vocab, n_vocab);
    if (options_.kind == LogprobKind::kRaw) {
      PELLUCID_TRY(sampling::Row checked, sampling::Row::from(row));
      positions_.push_back(
          logprobs_in(sampling::Candidates(std::move(checked)), prompt_[next], options_.top));
      continue;
    }
    chooser_.go_on_from({});
    PELLUCID_CHECK(chooser_.choose({row}, std::span<const int32_t>(prompt_).first(next), 0));
    PELLUCID_TRY(PositionLogprobs position, logprobs_at(row, chooser_.chain(), chooser_.context(), {},
                                                        prompt_[next], settings_, options_));
    positions_.push_back(std::move(position));
  }
  return {};
}

}  // namespace pellucid::generation
