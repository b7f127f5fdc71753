#include "sampling/draw.h"

#include <fmt/format.h>

#include <algorithm>

#include "sampling/interval.h"

namespace pellucid::sampling {
namespace {

Draw draw_of(const Candidates& candidates, double u) {
  const double total = candidates.total_weight();
  const Interval at = interval_at(candidates, u);
  Draw draw;
  draw.token = candidates.id(at.rank);
  draw.rank = at.rank;
  draw.probability = candidates.probability(at.rank);
  draw.u = u;
  draw.low = at.before / total;
  draw.high = at.rank + 1 == candidates.size() ? 1 : std::min(at.sum / total, 1.0);
  // 0 and 1 are the ends of the line, not boundaries with another token.
  if (draw.low > 0) draw.margin = u - draw.low;
  if (draw.high < 1) draw.margin = std::min(draw.margin, draw.high - u);
  return draw;
}

}  // namespace

Draw draw(const Candidates& candidates, uint64_t seed, uint64_t stream, uint64_t step) {
  const RandomDraw random = random_draw(seed, stream, step);
  Draw result = draw_of(candidates, random.u);
  result.random = random;
  return result;
}

int32_t drawn_token(const Candidates& candidates, uint64_t seed, uint64_t stream, uint64_t step) {
  return candidates.id(interval_at(candidates, random_draw(seed, stream, step).u).rank);
}

Result<Draw> draw_at(const Candidates& candidates, double u) {
  if (!(u >= 0 && u < 1)) {
    return Error{ErrorCode::kUsage, "draw", fmt::format("{} is not in [0, 1)", u)};
  }
  return draw_of(candidates, u);
}

}  // namespace pellucid::sampling
