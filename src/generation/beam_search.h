// Beam search (Lowerre 1976; the rules are those of transformers' generate()): of all ways to go on with all
// beams, the best do. This is the bookkeeping alone: it knows tokens and sums of log-probabilities, and
// neither a model nor how candidates are made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace pellucid::generation {

/// When the search may end with `beams` finished texts:
enum class EarlyStopping : uint8_t {
  kFalse,  // where the best beam, if it ended as it is, would score no higher than the worst of them
  kTrue,   // at once
  kNever,  // as kFalse, but with a positive length_penalty the beam counts as long as a text may be
};
std::string_view to_string(EarlyStopping when);

struct BeamRules {
  int beams = 1;
  double length_penalty = 1;  // a text's score: its sum of log-probabilities / its length ^ this
  EarlyStopping early_stopping = EarlyStopping::kFalse;
  int max_length = 256;  // new tokens of a text, a token that ends it included
};

/// A text under way.
struct Beam {
  std::vector<int32_t> tokens;  // new ones
  double sum = 0;               // of their log-probabilities
};

/// One more token for one of the beams.
struct BeamCandidate {
  size_t parent = 0;  // which of running()
  int32_t token = 0;
  double sum = 0;  // the beam's with this token's
  bool ends = false;
  std::optional<double> u;  // the number that drew it, where it was drawn
};

/// What becomes of a candidate.
enum class BeamFate : uint8_t {
  kGoesOn,     // is one of the beams of the next step
  kFinishes,   // is one of the finished texts
  kOutscored,  // has ended, and there are `beams` finished texts that score higher
  kTooLow,     // has ended, but is not among the first `beams` candidates
  kCrowded,    // `beams` better ones go on
};
std::string_view to_string(BeamFate fate);

enum class BeamEnd : uint8_t { kToken, kLength, kCancelled };

struct FinishedBeam {
  Beam beam;
  double score = 0;
  BeamEnd end = BeamEnd::kToken;
};

/// A plain value. Equal scores: who was there first, which is who came first among the candidates.
class BeamSearch {
 public:
  explicit BeamSearch(const BeamRules& rules);

  /// How many candidates a step should be given where `end_ids` tokens end a text: so many that enough of
  /// them go on whichever end.
  [[nodiscard]] static size_t candidates_of(int beams, size_t end_ids);

  /// One token more. `candidates` come best first, or in the order in which they were drawn; no two are the
  /// same. Their fates come back.
  std::vector<BeamFate> step(std::span<const BeamCandidate> candidates);
  /// Ends it before its time: the beams become finished texts as they are.
  void cancel();

  [[nodiscard]] bool done() const { return done_; }
  /// The beams, best first; at the start one without a token.
  [[nodiscard]] const std::vector<Beam>& running() const { return running_; }
  /// Which candidate of the latest step each of running() is.
  [[nodiscard]] const std::vector<size_t>& chosen() const { return chosen_; }
  /// The finished texts, best first: `beams` at most.
  [[nodiscard]] const std::vector<FinishedBeam>& finished() const { return finished_; }
  [[nodiscard]] const BeamRules& rules() const { return rules_; }
  [[nodiscard]] double score(double sum, int length) const;

 private:
  void choose_who_goes_on(std::span<const BeamCandidate> candidates, std::vector<BeamFate>& fates);
  bool finish(FinishedBeam text);
  [[nodiscard]] bool full() const { return finished_.size() == static_cast<size_t>(rules_.beams); }
  [[nodiscard]] bool may_improve() const;

  BeamRules rules_;
  std::vector<Beam> running_{1};
  std::vector<size_t> chosen_;
  std::vector<FinishedBeam> finished_;
  int length_ = 0;
  bool done_ = false;
};

}  // namespace pellucid::generation
