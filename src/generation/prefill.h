// A prompt that has been run, for texts that all go on from it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generation/continuation.h"
#include "generation/engine.h"

namespace pellucid::generation {

struct Prefilled {
  Sequence sequence;
  std::vector<float> logits;  // [n_vocab], of its last token; empty where it was cancelled
};

/// Runs a prompt; of the options, `cancelled` and `prompt_logits` count. Errors: as Engine::extend().
Result<Prefilled> prefill(Engine& engine, std::span<const int32_t> prompt, const GenerateOptions& options);

}  // namespace pellucid::generation
