// How nearly a step gave another token.
#pragma once

#include <optional>

#include "sampling/draw.h"
#include "sampling/row.h"
#include "sampling/settings.h"

namespace pellucid::sampling {

/// Between the two largest raw logits, which `best` begins with; none where only one is above -infinity.
std::optional<double> gap_of(const Selection& best);

/// True where a little noise could have given another token: if greedy, a gap below 0.01; else u within 0.001
/// of a boundary. Conventions, to draw the eye.
bool near_tie(const Settings& settings, std::optional<double> gap, const Draw& draw);

}  // namespace pellucid::sampling
