#include "generation/beam_candidates.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "sampling/exp.h"

namespace pellucid::generation {
namespace {

bool better(const BeamCandidate& a, const BeamCandidate& b) {
  if (a.sum != b.sum) return a.sum > b.sum;
  return a.parent != b.parent ? a.parent < b.parent : a.token < b.token;
}

/// What may still be drawn of one beam.
struct Pool {
  const BeamNext* beam = nullptr;
  double scale = 0;             // of its most likely token, among all beams
  std::vector<double> weights;  // by rank; 0 once drawn
  double mass = 0;

  /// Anew each time: what is left after the likeliest may be too little to be a difference.
  void weigh() { mass = scale * std::accumulate(weights.begin(), weights.end(), 0.0); }

  /// The rank that holds `at` of the mass.
  [[nodiscard]] size_t rank_at(double at) const {
    size_t hit = 0;
    double reached = 0;
    for (size_t rank = 0; rank < weights.size() && reached <= at; ++rank) {
      if (weights[rank] == 0) continue;
      hit = rank;
      reached += scale * weights[rank];
    }
    return hit;
  }
};

/// The pool that holds `at` of all masses; `at` becomes its place within that.
size_t pool_at(std::span<const Pool> pools, double& at) {
  std::optional<size_t> hit;
  for (size_t next = 0; next < pools.size(); ++next) {
    if (pools[next].mass == 0) continue;
    if (hit && at < pools[*hit].mass) break;
    if (hit) at -= pools[*hit].mass;
    hit = next;
  }
  return *hit;
}

std::vector<Pool> pools_of(std::span<const BeamNext> beams) {
  double highest = -std::numeric_limits<double>::infinity();
  for (const BeamNext& beam : beams) {
    if (beam.next != nullptr) highest = std::max(highest, beam.sum + beam.next->logit(0));
  }
  std::vector<Pool> pools;
  for (const BeamNext& beam : beams) {
    Pool& pool = pools.emplace_back(Pool{&beam});
    if (beam.next == nullptr) continue;
    const std::span<const double> weights = beam.next->weights();
    pool.scale = sampling::exp_nonpositive(beam.sum + beam.next->logit(0) - highest);
    pool.weights.assign(weights.begin(), weights.end());
    pool.weigh();
  }
  return pools;
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

std::vector<BeamCandidate> drawn_candidates(std::span<const BeamNext> beams, size_t count,
                                            sampling::Context address) {
  const uint64_t step = address.step;
  std::vector<Pool> pools = pools_of(beams);
  std::vector<BeamCandidate> drawn;
  for (uint64_t i = 0; i < count; ++i) {
    double total = 0;
    for (const Pool& pool : pools) total += pool.mass;
    if (total == 0) break;
    address.step = step | i << 32;
    const double u = sampling::random_of(address, sampling::Consumer::kBeams).u;
    double at = u * total;
    const size_t parent = pool_at(pools, at);
    Pool& pool = pools[parent];
    const size_t rank = pool.rank_at(at);
    const sampling::Candidates& next = *pool.beam->next;
    drawn.push_back({parent, next.id(rank), pool.beam->sum + next.logit(rank), false, u});
    pool.weights[rank] = 0;
    pool.weigh();
  }
  return drawn;
}

}  // namespace pellucid::generation
