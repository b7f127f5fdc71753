// Runs a recorded text again, and finds where it differs.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "generation/engine.h"
#include "generation/trace.h"

namespace pellucid::generation {

/// How to continue as a branch of a trace did: its options, with what it had begun with.
GenerateOptions options_of(const Trace& trace, const TraceBranch& branch);

struct Replayed {
  int n_confirmed = 0;                    // steps
  std::optional<std::string> difference;  // "step 5: the stage top_p kept 11 of 50, recorded are 12 of 50"
};

/// Generates a branch of the trace again: its ancestors' steps run as part of the prompt, those of its own
/// are compared one by one, each logit, stage, draw and token, and the way it ended. The first difference
/// ends it. `speculate` and the engine's threads and chunks change nothing. Errors: as generate(); kBadTrace
/// where the branch has no steps.
Result<Replayed> replay(Engine& engine, const Trace& trace, int branch, bool speculate,
                        const Cancelled& cancelled = {});

}  // namespace pellucid::generation
