#include "generation/chooser.h"

#include <fmt/format.h>

#include <utility>

#include "generation/breakers.h"

namespace pellucid::generation {

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
  chooser.context_.prompt_length = prompt_length;
  chooser.context_.seed = seed;
  chooser.context_.stream = stream;
  return chooser;
}

Result<sampling::Draw> Chooser::choose(std::span<const float> logits, std::span<const int32_t> tokens,
                                       int index, std::optional<int32_t> taken) {
  context_.tokens = tokens;
  context_.step = static_cast<uint64_t>(index);
  context_.end_ids = end_ids_;
  context_.breakers = breakers_;
  state_ = next_;
  auto chain =
      sampling::run_chain(logits, settings_, context_, state_, watched_.top == 0 ? nullptr : &watched_);
  if (!chain.ok()) {
    Error error = chain.error();
    error.what = fmt::format("step {}: {}", index, error.what);
    return error;
  }
  chain_ = std::move(chain).value();
  const sampling::Draw draw =
      sampling::draw(chain_.candidates, context_.seed, context_.stream, context_.step);
  sampling::Draw effect = draw;
  if (taken && *taken != draw.token) {
    const std::optional<double> probability = chain_.candidates.probability_of(*taken);
    next_ = state_;
    if (!probability) return draw;
    effect.token = *taken;
    effect.probability = *probability;
  }
  next_ = sampling::advanced(state_, settings_, chain_, effect);
  return draw;
}

}  // namespace pellucid::generation
