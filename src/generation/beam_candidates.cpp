#include "generation/beam_candidates.h"

#include <algorithm>

namespace pellucid::generation {
namespace {

bool better(const BeamCandidate& a, const BeamCandidate& b) {
  if (a.sum != b.sum) return a.sum > b.sum;
  return a.parent != b.parent ? a.parent < b.parent : a.token < b.token;
}

}  // namespace

std::vector<BeamCandidate> best_candidates(std::span<const BeamNext> beams, size_t count) {
  std::vector<BeamCandidate> all;
  for (size_t parent = 0; parent < beams.size(); ++parent) {
    if (beams[parent].next == nullptr) continue;
    const sampling::Candidates& next = *beams[parent].next;
    for (size_t rank = 0; rank < std::min(count, next.size()); ++rank) {
      all.push_back({parent, next.id(rank), beams[parent].sum + next.logit(rank)});
    }
  }
  std::ranges::sort(all, better);
  all.resize(std::min(all.size(), count));
  return all;
}

}  // namespace pellucid::generation
