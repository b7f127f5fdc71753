// The chain: logits through the stages, in the order of the settings, to the candidates that may be drawn.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "sampling/candidates.h"
#include "sampling/draw.h"
#include "sampling/row.h"
#include "sampling/settings.h"
#include "sampling/stage.h"

namespace pellucid::sampling {

/// Candidates that no stage has cut may view the logits that the chain was run on (candidates.h).
struct ChainResult {
  /// One for each stage of the order that ran, and for temperature, top-k and top-p where they are off, too.
  std::vector<StageReport> reports;
  Candidates candidates;  // who is left: at least one
};

/// Settings that are fine by themselves but not for this vocabulary are refused (kUsage), and those that
/// check() refuses.
Result<void> check_for(const Settings& settings, size_t vocabulary);

/// True where run_chain() reports on the stage.
bool reported(StageId id, const Settings& settings);

/// Runs one stage of the order on `candidates`, unless it changes nothing. Errors: kUsage where it rules out
/// every token.
Result<StageReport> run_stage(StageId id, const StageInput& input, Candidates& candidates);

/// Who is watched while run_chain() runs, and what became of them.
struct WatchedBest {
  size_t top = 0;                                 // how many: the best by raw logit, or by the guided one
  Selection best = {};                            // them; fewer where fewer are not ruled out
  std::vector<std::optional<size_t>> removed_by;  // the report whose stage removed each
  std::optional<double>
      gap;  // between the two largest logits once the stages before the first cut have changed them
};

/// Runs the chain on a row of logits, index = token id. This is the fast way: stages that change single
/// logits do so before anything is sorted, and where the first stage to cut keeps a known number of the best,
/// or what is near enough to the best, one pass picks those and nothing else of the vocabulary is sorted or
/// exponentiated. Reports lack mass_kept and entropy_bits. watch_chain() (watch.h) gives the same candidates
/// and shows everything; `watched` costs little, and `threads` help with long rows (Row). Errors: kUsage (see
/// check_for(), or every token is ruled out), kNumeric and kLimit (see Row).
Result<ChainResult> run_chain(std::span<const float> logits, const Settings& settings,
                              const Context& context = {}, const State& state = {},
                              WatchedBest* watched = nullptr, ThreadPool* threads = nullptr);

/// The state of the next step, where `draw` was made from `chain`.
State advanced(State state, const Settings& settings, const ChainResult& chain, const Draw& draw);

}  // namespace pellucid::sampling
