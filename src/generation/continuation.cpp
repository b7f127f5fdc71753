#include "generation/continuation.h"

#include <algorithm>
#include <utility>

namespace pellucid::generation {

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    default:
      return "cancelled";
  }
}

Continuation::Continuation(const Engine& engine, GenerateOptions options, StepObserver observer,
                           Chooser chooser)
    : engine_(&engine),
      options_(std::move(options)),
      observer_(std::move(observer)),
      chooser_(std::move(chooser)),
      tail_(options_.stop) {
  if (options_.stop_at_end_of_turn) stop_ids_ = engine.tokenizer().stop_ids();
}

Result<Continuation> Continuation::start(const Engine& engine, GenerateOptions options, size_t prompt_length,
                                         StepObserver observer) {
  if (std::ranges::any_of(options.stop, &std::string::empty))
    return Error{ErrorCode::kUsage, "invalid stop string", "it is empty, and every text holds the empty one"};
  PELLUCID_TRY(Chooser chooser, Chooser::make(engine.tokenizer(), options.settings, options.seed,
                                              options.stream, prompt_length));
  return Continuation(engine, std::move(options), std::move(observer), std::move(chooser));
}

Result<bool> Continuation::step(std::span<const float> logits, std::span<const int32_t> tokens) {
  const int index = n_tokens();
  PELLUCID_TRY(const sampling::Draw draw, chooser_.choose(logits, tokens, index));
  generation_.tokens.push_back(draw.token);
  const bool ends_turn = std::find(stop_ids_.begin(), stop_ids_.end(), draw.token) != stop_ids_.end();
  const bool full = static_cast<int>(tokens.size()) >= engine_->options().n_ctx;
  std::string text = ends_turn ? std::string() : tail_.push(engine_->tokenizer().piece(draw.token));
  const bool last = ends_turn || tail_.stopped() || full || index + 1 == options_.max_tokens;
  if (last) text += tail_.finish();
  generation_.text += text;
  const bool go_on =
      !observer_ || observer_(StepView{index, logits, chooser_.context(), chooser_.state(), draw, text});
  if (ends_turn || tail_.stopped()) generation_.finish_reason = FinishReason::kStop;
  if (!go_on) cancel();
  return !last && go_on;
}

}  // namespace pellucid::generation
