// What a step's chain may look at besides logits and settings: the tokens so far, and its place in the
// generation. And the state that a few stages carry from step to step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/rng.h"
#include "sampling/settings.h"

namespace pellucid::sampling {

/// Views of the caller's. The default is a first step after no prompt.
struct Context {
  std::span<const int32_t> tokens;     // prompt, then output
  size_t prompt_length = 0;            // how many of them are the prompt
  std::span<const int32_t> end_ids;    // tokens that end a text
  std::span<const TokenIds> breakers;  // what DRY doesn't match across; none empty, ordered by last token
  std::span<const uint32_t> allowed;   // a TokenSet (row.h): what the structure of the output lets come next
  std::span<const float> unconditional;      // guidance's: the logits of the text without its prompt
  std::span<const int32_t> banned;           // tokens that led to a banned phrase here
  std::span<const int32_t> watermark_table;  // selfhash's (watermark.h); empty: the stage makes it
  size_t least = 1;  // candidates that a stage leaves at least, however far it would cut
  uint64_t seed = 0;
  uint64_t stream = 0;   // below 2^56
  uint64_t step = 0;     // below 2^32
  uint32_t redraws = 0;  // State's

  [[nodiscard]] std::span<const int32_t> output() const {
    return tokens.subspan(std::min(prompt_length, tokens.size()));
  }

  /// The last `last_n` (-1: all) tokens of the scope.
  [[nodiscard]] std::span<const int32_t> window(int32_t last_n, Scope scope) const {
    const std::span<const int32_t> all = scope == Scope::kAll ? tokens : output();
    return last_n < 0 ? all : all.last(std::min(all.size(), static_cast<size_t>(last_n)));
  }
};

/// A plain value: the chain of a step reads it, advanced() (chain.h) makes the next step's. Empty at the
/// first.
struct State {
  uint32_t redraws = 0;  // how often the text has gone back so far (generation/phrase_bans.h)
  std::optional<double> mirostat_mu;
  std::optional<double> adaptive_sum;
  std::optional<double> adaptive_weight;

  bool operator==(const State&) const = default;
};

/// Who takes random numbers. Each has streams of its own: no consumer can shift what another gets.
enum class Consumer : uint8_t { kDraw, kXtc, kBeams };

/// What stands for the step in the address of its numbers: after a text has gone back, its steps have numbers
/// that no step had before.
inline uint64_t step_address(const Context& context) {
  return context.step | uint64_t{context.redraws} << 32;
}

/// The number of a consumer at the context's step. kDraw's is random_draw(seed, stream, step_address()).
inline RandomDraw random_of(const Context& context, Consumer consumer) {
  return random_draw(context.seed, context.stream | uint64_t{static_cast<uint8_t>(consumer)} << 56,
                     step_address(context));
}

}  // namespace pellucid::sampling
