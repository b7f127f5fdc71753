#include "sampling/draw.h"

#include <fmt/format.h>

#include <algorithm>

namespace pellucid::sampling {
namespace {

Draw hit(const Candidates& candidates, double u) {
  const double total = candidates.total_weight();
  const size_t last = candidates.size() - 1;
  double sum = candidates.weight(0);
  double low = 0;
  double high = last == 0 ? 1 : std::min(sum / total, 1.0);
  size_t rank = 0;
  while (high <= u && rank < last) {
    sum += candidates.weight(++rank);
    low = high;
    high = rank == last ? 1 : std::min(sum / total, 1.0);
  }
  Draw draw;
  draw.token = candidates.id(rank);
  draw.rank = rank;
  draw.probability = candidates.probability(rank);
  draw.u = u;
  draw.low = low;
  draw.high = high;
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
