#include "sampling/draw.h"

#include <fmt/format.h>

#include <algorithm>

namespace pellucid::sampling {
namespace {

/// Where u falls on the line of weights.
struct Hit {
  size_t rank;
  double before;  // the sum of the weights of better ranks
  double sum;     // and of this one
};

/// The first rank whose interval ends above u, the last of all if none. Nothing where it is not among the
/// best `limit`, or is open, with a total that is only known to be within `total`. Division is monotone,
/// rounded too: between the bounds, what is true at both ends is true.
std::optional<Hit> hit(const Candidates& candidates, double u, const Candidates::Bounds& total,
                       size_t limit) {
  const size_t last = candidates.size() - 1;
  Hit at{0, 0, candidates.weight(0)};
  while (at.rank < last && at.sum / total.high <= u) {
    if (at.sum / total.low > u || at.rank + 1 == limit) return std::nullopt;
    at.before = at.sum;
    at.sum += candidates.weight(++at.rank);
  }
  return at;
}

Draw draw_of(const Candidates& candidates, double u) {
  const double total = candidates.total_weight();
  const Hit at = *hit(candidates, u, {total, total}, candidates.size());
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
  const double u = random_draw(seed, stream, step).u;
  const auto at = hit(candidates, u, candidates.total_weight_bounds(), candidates.ranked());
  if (at) return candidates.id(at->rank);
  const auto deep = candidates.holder_of(u * candidates.total_weight());
  return deep ? *deep : draw_of(candidates, u).token;
}

Result<Draw> draw_at(const Candidates& candidates, double u) {
  if (!(u >= 0 && u < 1)) {
    return Error{ErrorCode::kUsage, "draw", fmt::format("{} is not in [0, 1)", u)};
  }
  return draw_of(candidates, u);
}

}  // namespace pellucid::sampling
