#include "sampling/interval.h"

#include <optional>

namespace pellucid::sampling {
namespace {

/// Nothing where it is not among those that are ranked, or is open, with a total that is only known to be
/// within `total`. Division is monotone, rounded too: between the bounds, what is true at both ends is true.
std::optional<Interval> known_interval(const Candidates& candidates, double share,
                                       const Candidates::Bounds& total) {
  const size_t last = candidates.size() - 1;
  Interval at{0, 0, candidates.weight(0), true};
  // Far below, no division is needed: by either total, its result, rounded, is not above the share.
  const double far_below = share * total.low * (1 - 0x1p-50);
  while (at.sum < far_below && at.rank + 1 < candidates.ranked()) {
    at.before = at.sum;
    at.sum += candidates.weight(++at.rank);
  }
  while (at.sum / total.high <= share) {
    if (at.rank == last && total.low == total.high) return Interval{at.rank, at.before, at.sum, false};
    if (at.sum / total.low > share || at.rank + 1 == candidates.ranked()) return std::nullopt;
    at.before = at.sum;
    at.sum += candidates.weight(++at.rank);
  }
  return at;
}

}  // namespace

Interval interval_at(const Candidates& candidates, double share) {
  for (;;) {
    const auto at = known_interval(candidates, share, candidates.total_weight_bounds());
    if (at) return *at;
    candidates.rank_more();
  }
}

}  // namespace pellucid::sampling
