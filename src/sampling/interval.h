// Candidates laid end to end on [0, 1) by probability, most likely first: who is where.
#pragma once

#include <cstddef>

#include "sampling/candidates.h"

namespace pellucid::sampling {

/// A candidate's interval is from `before` to `sum`, both over the sum of all weights.
struct Interval {
  size_t rank;
  double before;  // the sum of the weights of better ranks
  double sum;     // and of this one
  bool reached;   // sum over all is more than what was asked for
};

/// The first whose interval ends above `share`, the last of all where none does. Ranks and sums no more of
/// a vocabulary than it takes to know.
Interval interval_at(const Candidates& candidates, double share);

}  // namespace pellucid::sampling
