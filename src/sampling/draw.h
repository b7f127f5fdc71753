// The draw: one number u in [0, 1) against the candidates laid end to end on [0, 1), most likely first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/rng.h"
#include "sampling/candidates.h"

namespace pellucid::sampling {

/// A draw as data: which token, and how it came to be that one.
struct Draw {
  int32_t token = 0;
  size_t rank = 0;         // among the candidates, 0 = most likely
  double probability = 0;  // of the token among the candidates
  double u = 0;
  double low = 0;  // the token's interval [low, high), which holds u
  double high = 0;
  std::optional<RandomDraw> random;  // where u came from; none where the caller gave it

  /// How far u is from the nearest boundary that would have given another token; 1 where there is no other.
  double margin = 1;
};

/// The draw of (seed, stream, step): a pure function (DESIGN: determinism contract). u is drawn where one
/// candidate is left too, so that a step's number never depends on other steps.
Draw draw(const Candidates& candidates, uint64_t seed, uint64_t stream, uint64_t step);

/// The token of draw(), and nothing else of it: where all of a vocabulary is left, this is many times faster,
/// since the sum of all weights is only computed as exactly as it takes to know the token.
int32_t drawn_token(const Candidates& candidates, uint64_t seed, uint64_t stream, uint64_t step);

/// The draw of a given u. Errors: kUsage where u isn't in [0, 1).
Result<Draw> draw_at(const Candidates& candidates, double u);

}  // namespace pellucid::sampling
