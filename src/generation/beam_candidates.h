// How the candidates of a step of a beam search come from what may follow each of its beams.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "generation/beam_search.h"
#include "sampling/candidates.h"

namespace pellucid::generation {

/// A beam and what may follow it: log-probabilities, as the stages left them.
struct BeamNext {
  double sum = 0;
  const sampling::Candidates* next = nullptr;  // nothing can
};

/// The `count` best of all, by sum, then lower beam, then lower id; fewer where there are fewer. Whether they
/// end is left open.
std::vector<BeamCandidate> best_candidates(std::span<const BeamNext> beams, size_t count);

}  // namespace pellucid::generation
