#include "sampling/draw.h"

#include <fmt/format.h>

#include <algorithm>

namespace pellucid::sampling {
namespace {

Draw hit(const Candidates& candidates, double u) {
  const std::span<const double> weights = candidates.weights();
  const double total = candidates.total_weight();
  const double target = u * total;  // below total, for u <= 1 - 2^-53
  double below = 0;
  double above = weights[0];
  size_t rank = 0;
  while (above <= target && rank + 1 < weights.size()) {
    ++rank;
    below = above;
    above += weights[rank];
  }
  Draw draw;
  draw.token = candidates.ids()[rank];
  draw.rank = rank;
  draw.probability = weights[rank] / total;
  draw.u = u;
  draw.low = below / total;
  draw.high = above / total;
  // 0 and 1 are the ends of the line, not boundaries with another token.
  if (draw.low > 0) draw.margin = u - draw.low;
  if (draw.high < 1) draw.margin = std::min(draw.margin, draw.high - u);
  return draw;
}

}  // namespace

Draw draw(const Candidates& candidates, uint64_t seed, uint64_t stream, uint64_t step) {
  const RandomDraw random = random_draw(seed, stream, step);
  Draw result = hit(candidates, random.u);
  result.random = random;
  return result;
}

Result<Draw> draw_at(const Candidates& candidates, double u) {
  if (!(u >= 0 && u < 1)) {
    return Error{ErrorCode::kUsage, "draw", fmt::format("{} is not in [0, 1)", u)};
  }
  return hit(candidates, u);
}

}  // namespace pellucid::sampling
