#include "sampling/margin.h"

namespace pellucid::sampling {

std::optional<double> gap_of(const Selection& best) {
  if (best.logits.size() < 2) return std::nullopt;
  return best.logits[0] - best.logits[1];
}

bool near_tie(const Candidates& left, std::optional<double> gap, const Draw& draw) {
  constexpr double kNearGap = 0.01;
  constexpr double kNearMargin = 0.001;
  return left.size() == 1 ? gap && *gap < kNearGap : draw.margin < kNearMargin;
}

}  // namespace pellucid::sampling
