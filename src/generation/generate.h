// The loop: prompt -> logits -> chain -> draw -> append -> repeat, until a stop token, a stop string or the
// maximum.
#pragma once

#include <span>

#include "generation/continuation.h"
#include "generation/engine.h"

namespace pellucid::generation {

/// Continues `sequence` with `prompt`, then with new tokens; all but the last new one are in the sequence
/// afterwards. Draw t of this call is (seed, stream, t). Errors: kUsage (settings, prompt), kContext (the
/// prompt does not fit), kNumeric (logits that are not numbers; the step is named). A full context ends with
/// kLength; a prompt that is cancelled, with kCancelled, no token, and the part that was run in the sequence.
Result<Generation> generate(Engine& engine, Sequence& sequence, std::span<const int32_t> prompt,
                            const GenerateOptions& options, const StepObserver& observer = {});

}  // namespace pellucid::generation
