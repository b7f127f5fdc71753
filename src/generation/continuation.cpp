#include "generation/continuation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "generation/guides.h"

namespace pellucid::generation {
namespace {

/// What is there of a text already has to fit its structure, too.
Result<void> take_all(bridge::Guide& guide, std::span<const int32_t> tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto taken = guide.take(tokens[i]);
    if (taken.ok()) continue;
    return Error{taken.error().code, "the text so far is not of the structure",
                 fmt::format("at step {}: {}", i, taken.error().why)};
  }
  return {};
}

}  // namespace

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
  generation_.tokens = options_.begun.tokens;
  for (const int32_t token : generation_.tokens) generation_.text += text_of(token);
}

Result<Continuation> Continuation::start(const Engine& engine, GenerateOptions options, size_t n_before,
                                         StepObserver observer) {
  if (std::ranges::any_of(options.stop, &std::string::empty))
    return Error{ErrorCode::kUsage, "invalid stop string", "it is empty, and every text holds the empty one"};
  for (const int32_t token : options.begun.take) {
    if (token >= 0 && token < engine.n_vocab()) continue;
    return Error{ErrorCode::kUsage, "token id out of range",
                 fmt::format("{} is not in 0 .. {}", token, engine.n_vocab() - 1)};
  }
  assert(n_before >= options.begun.tokens.size());
  PELLUCID_TRY(Chooser chooser, Chooser::make(engine.tokenizer(), options.settings, options.seed,
                                              options.stream, n_before - options.begun.tokens.size()));
  PELLUCID_TRY(std::optional<bridge::Guide> guide, guide_of(engine, options.settings));
  if (guide) {
    PELLUCID_CHECK(take_all(*guide, options.begun.tokens));
    chooser.follow(std::move(*guide), options.stop_at_end_of_turn);
  }
  chooser.go_on_from(options.begun.state);
  chooser.watch(options.watch);
  return Continuation(engine, std::move(options), std::move(observer), std::move(chooser));
}

bool Continuation::ends_turn(int32_t token) const {
  return std::find(stop_ids_.begin(), stop_ids_.end(), token) != stop_ids_.end();
}

/// What becomes certain with this token.
std::string Continuation::text_of(int32_t token) {
  return ends_turn(token) ? std::string() : tail_.push(engine_->tokenizer().piece(token));
}

std::optional<int32_t> Continuation::to_take() const {
  const size_t done = generation_.tokens.size() - options_.begun.tokens.size();
  if (done >= options_.begun.take.size()) return std::nullopt;
  return options_.begun.take[done];
}

Result<bool> Continuation::step(std::span<const float> logits, std::span<const int32_t> tokens) {
  const int index = n_tokens();
  const std::optional<int32_t> taken = to_take();
  PELLUCID_TRY(const sampling::Draw draw, chooser_.choose(logits, tokens, index, taken));
  const int32_t token = taken.value_or(draw.token);
  generation_.tokens.push_back(token);
  const bool full = static_cast<int>(tokens.size()) >= engine_->options().n_ctx;
  std::string text = text_of(token);
  const bool stops = ends_turn(token) || tail_.stopped() || chooser_.ended();
  const bool last = stops || full || index + 1 >= options_.max_tokens;
  if (last) text += tail_.finish();
  generation_.text += text;
  const bool go_on =
      !observer_ || observer_(StepView{index, logits, chooser_.context(), chooser_.state(), chooser_.chain(),
                                       chooser_.watched(), draw, token, taken.has_value(), text});
  if (stops) generation_.finish_reason = FinishReason::kStop;
  if (!go_on) cancel();
  return !last && go_on;
}

}  // namespace pellucid::generation
