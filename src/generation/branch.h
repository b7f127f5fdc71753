// Going on from the middle of a text that was generated before: with another token, other settings, another
// seed.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.h"
#include "generation/engine.h"
#include "generation/generate.h"

namespace pellucid::generation {

/// Goes back to what `sequence` has in common with `tokens`, but for the last of them: who wants its logits
/// has to run it. What is left to run comes back.
std::span<const int32_t> keep_common(Sequence& sequence, std::span<const int32_t> tokens);

/// Continues `prompt` and then options.begun.tokens. `sequence` may hold the beginning of them already, such
/// as a copy of the one that they were generated with: what is there isn't run again, and whatever else it
/// holds is dropped. Errors: as generate().
Result<Generation> branch_off(Engine& engine, Sequence& sequence, std::span<const int32_t> prompt,
                              const GenerateOptions& options, const StepObserver& observer = {});

}  // namespace pellucid::generation
