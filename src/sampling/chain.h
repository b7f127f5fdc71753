// The chain: logits through the stages, in the order of the settings, to the candidates that may be drawn.
#pragma once

#include <span>
#include <vector>

#include "base/error.h"
#include "sampling/candidates.h"
#include "sampling/settings.h"
#include "sampling/stage.h"

namespace pellucid::sampling {

struct ChainResult {
  std::vector<StageReport> reports;  // one for each stage of the order, skipped ones too
  Candidates candidates;             // who is left: at least one
};

/// Runs one stage of the order on `candidates`, unless its setting is the identity.
StageReport run_stage(StageId id, const Settings& settings, Candidates& candidates);

/// Runs the chain on a row of logits, index = token id. This is the fast way: where the first stage to cut
/// keeps a known number of the best, one pass picks them and nothing else of the vocabulary is sorted or
/// exponentiated. Reports lack mass_kept and entropy_bits. watch_chain() (watch.h) gives the same candidates
/// and shows everything. Errors: kUsage (see check()), kNumeric and kLimit (see select_best()).
Result<ChainResult> run_chain(std::span<const float> logits, const Settings& settings);

}  // namespace pellucid::sampling
