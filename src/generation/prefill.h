// Running a prompt, for one text or for several that all go on from it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generation/continuation.h"
#include "generation/engine.h"

namespace pellucid::generation {

/// Runs a prompt after what the sequence holds, and gives the logits of its last token; none where it was
/// cancelled: the sequence then holds the part that was run. Of the options, `cancelled` and `prompt_logits`
/// count. Errors: as Engine::extend().
Result<std::vector<float>> prefill(Engine& engine, Sequence& sequence, std::span<const int32_t> prompt,
                                   const GenerateOptions& options);

}  // namespace pellucid::generation
