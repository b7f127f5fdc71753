#include "generation/continuation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "generation/guides.h"

namespace pellucid::generation {
namespace {

/// What is there of a text already has to fit its structure, too.
Result<void> take_all(bridge::Guide& guide, std::span<const int32_t> tokens, size_t first,
                      std::string_view what) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto taken = guide.take(tokens[i]);
    if (taken.ok()) continue;
    return Error{taken.error().code, fmt::format("{} not of the structure", what),
                 fmt::format("at step {}: {}", first + i, taken.error().why)};
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

/// The text begun is what it is; it must not hold a phrase itself.
Result<void> Continuation::hold_phrases() {
  const Begun& begun = options_.begun;
  const size_t first = begun.tokens.size() + begun.take.size();
  PELLUCID_TRY(bans_, PhraseBans::make(options_.settings, static_cast<int>(first)));
  std::string characters;
  TextTail tail({});
  for (const int32_t token : begun.tokens) {
    if (!ends_turn(token)) characters += tail.push(engine_->tokenizer().piece(token));
  }
  if (!bans_->begin(characters, generation_.text.size()))
    return Error{ErrorCode::kUsage, "the text so far holds a banned phrase", bans_->shown_phrase()};
  PhraseBans after = *bans_;
  for (const int32_t token : begun.take) {
    if (ends_turn(token)) continue;
    const std::string more = tail.push(engine_->tokenizer().piece(token));
    if (after.push(token, more, std::numeric_limits<size_t>::max()))
      return Error{ErrorCode::kUsage, "the tokens that are to be taken make a banned phrase",
                   after.shown_phrase()};
  }
  return {};
}

Result<Continuation> Continuation::start(const Engine& engine, GenerateOptions options, size_t n_before,
                                         StepObserver observer) {
  if (std::ranges::any_of(options.stop, &std::string::empty))
    return Error{ErrorCode::kUsage, "invalid stop string", "it is empty, and every text holds the empty one"};
  if (!sampling::is_guided(options.settings)) options.negative_prompt.clear();
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
    PELLUCID_CHECK(take_all(*guide, options.begun.tokens, 0, "the text so far is"));
    bridge::Guide after = *guide;
    PELLUCID_CHECK(take_all(after, options.begun.take, options.begun.tokens.size(),
                            "the tokens that are to be taken are"));
    chooser.follow(std::move(*guide), options.stop_at_end_of_turn);
  }
  chooser.go_on_from(options.begun.state);
  chooser.watch(options.watch);
  chooser.share(engine.threads());
  Continuation text(engine, std::move(options), std::move(observer), std::move(chooser));
  if (sampling::bans_phrases(text.options_.settings)) PELLUCID_CHECK(text.hold_phrases());
  return text;
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

/// True where the newest token finds no position, in the text itself or in the unconditional one.
bool Continuation::is_full(size_t n_positions) const {
  const size_t unconditional = options_.negative_prompt.size() + generation_.tokens.size() - 1;
  return std::max(n_positions, unconditional) >= static_cast<size_t>(engine_->options().n_ctx);
}

/// Keeps what the step begins with, and says what is ruled out.
void Continuation::before_step(int index) {
  if (!bans_) return;
  bans_->hold({index, chooser_.mark(), tail_});
  if (index == static_cast<int>(options_.begun.tokens.size()) && bans_->banned().empty()) {
    bans_->ban(options_.begun.banned);
  }
  banned_.assign(bans_->banned().begin(), bans_->banned().end());
  chooser_.ban(banned_);
}

/// Whether the text that is to be given out now holds a phrase: what a stop string cuts off does not count.
bool Continuation::meets_phrase(int32_t token, std::string_view let_go) {
  const size_t most = tail_.stopped() ? bans_->n_text() + let_go.size() : std::numeric_limits<size_t>::max();
  return bans_->push(token, ends_turn(token) ? std::string_view() : tail_.newest(), most);
}

/// To where the phrase began that the latest token completed.
Result<void> Continuation::go_back() {
  PELLUCID_TRY(const StepMark mark, bans_->go_back());
  taken_back_ = n_tokens() - mark.index;
  led_back_by_ = bans_->phrase();
  generation_.tokens.resize(static_cast<size_t>(mark.index));
  chooser_.go_back(mark.chooser);
  tail_ = mark.tail;
  return {};
}

/// A chain that fails where tokens led to a banned phrase fails because of it.
Error Continuation::failed(Error error) const {
  if (!banned_.empty()) error.why += fmt::format(", after the banned phrase {}", bans_->shown_phrase());
  return error;
}

Result<bool> Continuation::step(const StepLogits& logits, std::span<const int32_t> tokens) {
  const int index = n_tokens();
  const std::optional<int32_t> taken = to_take();
  before_step(index);
  const auto chosen = chooser_.choose(logits, tokens, index, taken);
  if (!chosen.ok()) return failed(chosen.error());
  const int32_t token = taken.value_or(chosen.value());
  generation_.tokens.push_back(token);
  std::string text = text_of(token);
  const bool met = bans_ && meets_phrase(token, text);
  const bool stops = !met && (ends_turn(token) || tail_.stopped() || chooser_.ended());
  const bool last = stops || (!met && (is_full(tokens.size()) || index + 1 >= options_.max_tokens));
  if (last) text += tail_.finish();
  if (bans_) text = bans_->release(text, last);
  generation_.text += text;
  const bool go_on =
      !observer_ ||
      observer_(StepView{index, logits.logits, chooser_.context(), chooser_.state(), chooser_.chain(),
                         chooser_.watched(), token, taken.has_value(), std::exchange(taken_back_, 0),
                         std::exchange(led_back_by_, {}), text, &engine_->threads()});
  if (met && go_on) PELLUCID_CHECK(go_back());
  if (stops) generation_.finish_reason = FinishReason::kStop;
  if (!go_on) cancel();
  return !last && go_on;
}

}  // namespace pellucid::generation
