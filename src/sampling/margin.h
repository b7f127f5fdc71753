// How nearly a step gave another token.
#pragma once

#include <optional>

#include "sampling/candidates.h"
#include "sampling/draw.h"
#include "sampling/row.h"

namespace pellucid::sampling {

/// Between the two largest logits, which `best` begins with; none where only one is above -infinity.
std::optional<double> gap_of(const Selection& best);

/// True where a little noise could have given another token: where `left` is one token, a gap below 0.01;
/// else u within 0.001 of a boundary. Conventions, to draw the eye.
bool near_tie(const Candidates& left, std::optional<double> gap, const Draw& draw);

}  // namespace pellucid::sampling
