// How the candidates of a step of a beam search come from what may follow each of its beams.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "generation/beam_search.h"
#include "sampling/candidates.h"
#include "sampling/context.h"

namespace pellucid::generation {

/// A beam and what may follow it: log-probabilities, as the stages left them.
struct BeamNext {
  double sum = 0;
  const sampling::Candidates* next = nullptr;  // nothing can
};

/// The `count` best of all, by sum, then lower beam, then lower id; fewer where there are fewer. Whether they
/// end is left open.
std::vector<BeamCandidate> best_candidates(std::span<const BeamNext> beams, size_t count);

/// `count` of all, drawn one after the other without putting back, with probabilities in proportion to exp of
/// the sums; in the order in which they are drawn, and fewer where fewer have a probability. Draw i of a step
/// hits who holds its number u(seed, stream, step, i) where those that are left lie end to end on [0, 1):
/// beam by beam, each from the most likely down. Only `address`'s seed, stream and step count.
std::vector<BeamCandidate> drawn_candidates(std::span<const BeamNext> beams, size_t count,
                                            sampling::Context address);

}  // namespace pellucid::generation
