#include "generation/beam_search.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sampling/log.h"

namespace pellucid::generation {
namespace {

/// The beam of a candidate.
Beam grown(const std::vector<Beam>& running, const BeamCandidate& candidate) {
  Beam beam{running[candidate.parent].tokens, candidate.sum};
  beam.tokens.push_back(candidate.token);
  return beam;
}

/// Best first; equal ones keep their place.
void sort_by_sum(std::vector<size_t>& indices, std::span<const BeamCandidate> candidates) {
  std::ranges::stable_sort(
      indices, [candidates](size_t a, size_t b) { return candidates[a].sum > candidates[b].sum; });
}

}  // namespace

std::string_view to_string(EarlyStopping when) {
  static constexpr std::array<std::string_view, 3> kNames{"false", "true", "never"};
  return kNames[static_cast<size_t>(when)];
}

std::string_view to_string(BeamFate fate) {
  static constexpr std::array<std::string_view, 5> kNames{"goes_on", "finishes", "outscored", "too_low",
                                                          "crowded"};
  return kNames[static_cast<size_t>(fate)];
}

BeamSearch::BeamSearch(const BeamRules& rules) : rules_(rules), done_(rules.max_length < 1) {
  if (done_) finished_.push_back({std::exchange(running_, {}).front(), 0, BeamEnd::kLength});
}

size_t BeamSearch::candidates_of(int beams, size_t end_ids) {
  return std::max<size_t>(2, end_ids + 1) * static_cast<size_t>(beams);
}

double BeamSearch::score(double sum, int length) const {
  return sum / sampling::power(static_cast<double>(length), rules_.length_penalty);
}

std::vector<BeamFate> BeamSearch::step(std::span<const BeamCandidate> candidates) {
  ++length_;
  const bool last = length_ >= rules_.max_length;
  std::vector<BeamFate> fates(candidates.size(), BeamFate::kCrowded);
  std::vector<size_t> ended;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i].ends && !last) continue;
    fates[i] = BeamFate::kTooLow;
    if (i < static_cast<size_t>(rules_.beams)) ended.push_back(i);
  }
  sort_by_sum(ended, candidates);
  for (const size_t i : ended) {
    const BeamEnd end = candidates[i].ends ? BeamEnd::kToken : BeamEnd::kLength;
    const bool stays = finish({grown(running_, candidates[i]), score(candidates[i].sum, length_), end});
    fates[i] = stays ? BeamFate::kFinishes : BeamFate::kOutscored;
  }
  choose_who_goes_on(candidates, fates);
  done_ = running_.empty() || (full() && rules_.early_stopping == EarlyStopping::kTrue) || !may_improve();
  return fates;
}

/// The best of those that have no fate yet.
void BeamSearch::choose_who_goes_on(std::span<const BeamCandidate> candidates, std::vector<BeamFate>& fates) {
  chosen_.clear();
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (fates[i] == BeamFate::kCrowded) chosen_.push_back(i);
  }
  sort_by_sum(chosen_, candidates);
  chosen_.resize(std::min(chosen_.size(), static_cast<size_t>(rules_.beams)));
  std::vector<Beam> next;
  for (const size_t i : chosen_) {
    next.push_back(grown(running_, candidates[i]));
    fates[i] = BeamFate::kGoesOn;
  }
  running_ = std::move(next);
}

/// False where there are `beams` better ones.
bool BeamSearch::finish(FinishedBeam text) {
  const auto place =
      std::ranges::find_if(finished_, [&](const FinishedBeam& other) { return other.score < text.score; });
  if (place == finished_.end() && full()) return false;
  finished_.insert(place, std::move(text));
  finished_.resize(std::min(finished_.size(), static_cast<size_t>(rules_.beams)));
  return true;
}

/// Whether the best beam could still score higher than the worst finished text: a guess, for a length
/// penalty makes longer texts better.
bool BeamSearch::may_improve() const {
  if (!full() || running_.empty()) return true;
  const bool as_long_as_may_be = rules_.early_stopping == EarlyStopping::kNever && rules_.length_penalty > 0;
  return score(running_.front().sum, as_long_as_may_be ? rules_.max_length : length_) >
         finished_.back().score;
}

void BeamSearch::cancel() {
  for (Beam& beam : running_) {
    const double now = score(beam.sum, std::max(length_, 1));
    finish({std::move(beam), now, BeamEnd::kCancelled});
  }
  running_.clear();
  done_ = true;
}

}  // namespace pellucid::generation
