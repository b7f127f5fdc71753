// Runs a recorded text again, and finds where it differs.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "generation/engine.h"
#include "trace/trace.h"

namespace pellucid::trace {

/// How to continue as a branch of a trace did: its options, with what it had begun with.
generation::GenerateOptions options_of(const Trace& trace, const Branch& branch);

struct Replayed {
  int n_confirmed = 0;                    // steps
  std::optional<std::string> difference;  // "step 5: the stage top_p kept 11 of 50, recorded are 12 of 50"
};

/// Generates a branch of the trace again: its ancestors' steps run as part of the prompt, those of its own
/// are compared one by one, each logit, stage, draw and token, and the way it ended. The first difference
/// ends it. `speculate` and the engine's threads and chunks change nothing. Errors: as generate(); kBadTrace
/// where the branch has no steps.
Result<Replayed> replay(generation::Engine& engine, const Trace& trace, int branch, bool speculate,
                        const generation::Cancelled& cancelled = {});

}  // namespace pellucid::trace
