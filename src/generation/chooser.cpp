#include "generation/chooser.h"

#include <fmt/format.h>

#include "generation/breakers.h"
#include "sampling/chain.h"

namespace pellucid::generation {

Result<Chooser> Chooser::make(const tokenizer::Tokenizer& tokenizer, const sampling::Settings& settings,
                              uint64_t seed, uint64_t stream, size_t prompt_length) {
  PELLUCID_CHECK(sampling::check(settings));
  Chooser chooser;
  chooser.settings_ = settings;
  chooser.end_ids_ = tokenizer.stop_ids();
  chooser.context_.prompt_length = prompt_length;
  chooser.context_.seed = seed;
  chooser.context_.stream = stream;
  if (settings.dry_multiplier != 0) {
    PELLUCID_TRY(chooser.breakers_, breaker_tokens(tokenizer, settings.dry_breakers));
  }
  return chooser;
}

Result<sampling::Draw> Chooser::choose(std::span<const float> logits, std::span<const int32_t> tokens,
                                       int index) {
  context_.tokens = tokens;
  context_.step = static_cast<uint64_t>(index);
  context_.end_ids = end_ids_;
  context_.breakers = breakers_;
  state_ = next_;
  auto chain = sampling::run_chain(logits, settings_, context_, state_);
  if (!chain.ok()) {
    Error error = chain.error();
    error.what = fmt::format("step {}: {}", index, error.what);
    return error;
  }
  sampling::Draw draw =
      sampling::draw(chain.value().candidates, context_.seed, context_.stream, context_.step);
  next_ = sampling::advanced(state_, settings_, chain.value(), draw);
  return draw;
}

}  // namespace pellucid::generation
