// The loop: prompt -> logits -> chain -> draw -> append -> repeat, until a stop token, a stop string or the
// maximum.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "generation/engine.h"
#include "sampling/context.h"
#include "sampling/draw.h"
#include "sampling/settings.h"

namespace pellucid::generation {

struct GenerateOptions {
  sampling::Settings settings;
  uint64_t seed = 0;
  uint64_t stream = 0;   // below 2^56; independent samples of one seed use different streams
  int max_tokens = 256;  // new tokens
  std::vector<std::string> stop;
  bool stop_at_end_of_turn = true;  // at the model's own stop tokens
  Cancelled cancelled;              // asked while the prompt runs; the observer ends what comes after
};

enum class FinishReason { kStop, kLength, kCancelled };
std::string_view to_string(FinishReason reason);

/// One step as it happened. Views are valid during the call.
struct StepView {
  int index;                         // 0 is the first new token
  std::span<const float> logits;     // [n_vocab], as the model gave them
  const sampling::Context& context;  // what the chain was given besides logits and settings
  const sampling::State& state;      // before this step
  const sampling::Draw& draw;
  std::string_view text;  // what became certain with this token, whole characters only; may be empty
};

/// Called once a step, before the next one starts. Returning false ends the generation (kCancelled).
using StepObserver = std::function<bool(const StepView&)>;

struct Timings {
  double prefill_ms = 0;
  double decode_ms = 0;    // of the steps after the first token
  int prefill_tokens = 0;  // that were run
  int decode_tokens = 0;   // tokens that decode_ms paid for
};

struct Generation {
  std::vector<int32_t> tokens;  // new tokens, a stop token included
  std::string text;             // without stop token and stop string
  FinishReason finish_reason = FinishReason::kLength;
  Timings timings;
};

/// Continues `sequence` with `prompt`, then with new tokens; all but the last new one are in the sequence
/// afterwards. Draw t of this call is (seed, stream, t). Errors: kUsage (settings, prompt), kContext (the
/// prompt does not fit), kNumeric (logits that are not numbers; the step is named). A full context ends with
/// kLength; a prompt that is cancelled, with kCancelled, no token, and the part that was run in the sequence.
Result<Generation> generate(Engine& engine, Sequence& sequence, std::span<const int32_t> prompt,
                            const GenerateOptions& options, const StepObserver& observer = {});

}  // namespace pellucid::generation
