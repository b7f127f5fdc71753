#include "generation/chooser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "generation/breakers.h"
#include "sampling/registry.h"
#include "sampling/watermark.h"

namespace pellucid::generation {
namespace {

Error at_step(int index, Error error) {
  error.what = fmt::format("step {}: {}", index, error.what);
  return error;
}

bool carries_state(const sampling::StageReport& report) {
  return !report.skipped && sampling::row(report.stage).advance != nullptr;
}

}  // namespace

Result<Chooser> Chooser::make(const tokenizer::Tokenizer& tokenizer, const sampling::Settings& settings,
                              uint64_t seed, uint64_t stream, size_t prompt_length) {
  PELLUCID_CHECK(sampling::check(settings));
  std::vector<sampling::TokenIds> breakers;
  if (settings.dry_multiplier != 0) {
    PELLUCID_TRY(breakers, breaker_tokens(tokenizer, settings.dry_breakers));
  }
  return make(settings, seed, stream, prompt_length, tokenizer.stop_ids(), std::move(breakers));
}

Result<Chooser> Chooser::make(const sampling::Settings& settings, uint64_t seed, uint64_t stream,
                              size_t prompt_length, sampling::TokenIds end_ids,
                              std::vector<sampling::TokenIds> breakers) {
  PELLUCID_CHECK(sampling::check(settings));
  Chooser chooser;
  chooser.settings_ = settings;
  chooser.end_ids_ = std::move(end_ids);
  chooser.breakers_ = std::move(breakers);
  if (settings.watermark_bias != 0 && settings.watermark_scheme == sampling::WatermarkScheme::kSelfHash) {
    chooser.watermark_table_ = sampling::watermark_table(settings.watermark_key);
  }
  chooser.context_.prompt_length = prompt_length;
  chooser.context_.seed = seed;
  chooser.context_.stream = stream;
  return chooser;
}

/// Asks what may come next.
Result<void> Chooser::consult_guide() {
  if (!guide_) return {};
  PELLUCID_TRY(allowed_, guide_->allowed());
  if (!may_end_) {
    for (const int32_t id : end_ids_) allowed_[static_cast<size_t>(id) / 32] &= ~(uint32_t{1} << id % 32);
  }
  context_.allowed = allowed_;
  return {};
}

Result<void> Chooser::go_on_with(int32_t token) {
  if (guide_) PELLUCID_CHECK(guide_->take(token));
  next_ = state_;
  // The probability may take all of the row: not asked for without need.
  if (std::ranges::none_of(chain_.reports, carries_state)) return {};
  const std::optional<double> probability = chain_.candidates.probability_of(token);
  if (!probability) return {};
  sampling::Draw effect;
  effect.token = token;
  effect.probability = *probability;
  next_ = sampling::advanced(state_, settings_, chain_, effect);
  return {};
}

Result<bool> Chooser::ended_after(int32_t token) const {
  if (!guide_) return false;
  bridge::Guide after = *guide_;
  PELLUCID_CHECK(after.take(token));
  return after.ended();
}

Result<void> Chooser::run_chain(std::span<const float> logits) {
  PELLUCID_CHECK(consult_guide());
  PELLUCID_TRY(chain_, sampling::run_chain(logits, settings_, context_, state_,
                                           watched_.top == 0 ? nullptr : &watched_, threads_));
  return {};
}

Result<void> Chooser::look(const StepLogits& logits, std::span<const int32_t> tokens, int index) {
  context_.unconditional = logits.unconditional;
  context_.tokens = tokens;
  context_.step = static_cast<uint64_t>(index);
  context_.end_ids = end_ids_;
  context_.breakers = breakers_;
  context_.watermark_table = watermark_table_;
  state_ = next_;
  context_.redraws = state_.redraws;
  const Result<void> chain = run_chain(logits.logits);
  return chain.ok() ? chain : at_step(index, chain.error());
}

Result<int32_t> Chooser::choose(const StepLogits& logits, std::span<const int32_t> tokens, int index,
                                std::optional<int32_t> taken) {
  PELLUCID_CHECK(look(logits, tokens, index));
  const int32_t drawn = sampling::drawn_token(chain_.candidates, context_.seed, context_.stream,
                                              sampling::step_address(context_));
  const Result<void> gone_on = go_on_with(taken.value_or(drawn));
  if (!gone_on.ok()) return at_step(index, gone_on.error());
  return drawn;
}

}  // namespace pellucid::generation
