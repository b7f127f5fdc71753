// Texts of one prompt that are continued as the beams of a search: logits of each beam in; who goes on, and
// with which token, out. It knows nothing of how the logits are made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "generation/beam_candidates.h"
#include "generation/beam_search.h"
#include "generation/chooser.h"
#include "generation/text_tail.h"
#include "sampling/settings.h"

namespace pellucid::generation {

/// Which candidates of a step there are: the best; or as many drawn, without putting back.
enum class BeamChoosing : uint8_t { kBest, kDraw };

/// What the search is made of besides its rules.
struct BeamStart {
  std::vector<int32_t> prompt;
  Chooser chooser;                // of the prompt; each beam goes on with a copy
  std::vector<int32_t> stop_ids;  // tokens that end a text
  TextTail tail;                  // with the stop strings, empty
  bool has_stop_strings = false;
  std::function<std::string_view(int32_t)> piece;  // bytes of a token; asked where there are stop strings
  BeamChoosing choosing = BeamChoosing::kBest;
};

/// Whether a stage is there for draws: temperature and what cuts the unlikely, but no penalty or ban.
bool shapes_draws(sampling::StageId stage);

/// The settings of a beam search: without those stages where nothing is drawn.
sampling::Settings beam_settings(sampling::Settings settings, BeamChoosing choosing);

/// One step as it happened. Views are valid during the call.
struct BeamStepView {
  int index;                     // 0 gives the first new token
  std::span<const Beam> before;  // the beams that went in, best first
  std::span<const BeamCandidate> candidates;
  std::span<const BeamFate> fates;  // of each candidate
  const BeamSearch& search;         // after the step
};

/// Called once a step. Returning false ends the search.
using BeamObserver = std::function<bool(const BeamStepView&)>;

class BeamContinuation {
 public:
  BeamContinuation(const BeamRules& rules, BeamStart start, BeamObserver observer);

  /// One step, from logits [search().running().size(), n_vocab]. False where it was the last one. Errors:
  /// those of Chooser::look(), naming the step.
  Result<bool> step(std::span<const float> logits);

  [[nodiscard]] const BeamSearch& search() const { return search_; }
  /// Of each of search().running(), which one it was before the latest step.
  [[nodiscard]] const std::vector<size_t>& parents() const { return parents_; }
  void cancel() { search_.cancel(); }

 private:
  struct Text {  // what a beam carries besides its tokens
    Chooser chooser;
    TextTail tail;
  };
  [[nodiscard]] std::vector<BeamCandidate> choose(std::span<const BeamNext> beams) const;
  Result<bool> look(size_t beam, std::span<const float> row);
  Result<std::vector<BeamCandidate>> candidates(std::span<const float> logits);
  [[nodiscard]] Result<bool> ends(const Text& text, int32_t token) const;
  Result<void> go_on(std::span<const BeamCandidate> candidates);

  BeamSearch search_;
  BeamStart start_;
  BeamObserver observer_;
  std::vector<Text> texts_;                 // of search_.running()
  std::vector<std::vector<float>> scores_;  // what their choosers have looked at, and still view
  std::vector<size_t> parents_;
  std::optional<Error> dead_end_;
  int index_ = 0;
};

/// Replaces `values`, one a beam, by those of its parents: moved where a beam has one child, copied else.
template <typename T>
std::vector<T> inherit(std::vector<T> values, std::span<const size_t> parents) {
  std::vector<size_t> children(values.size());
  for (const size_t parent : parents) ++children[parent];
  std::vector<T> next;
  next.reserve(parents.size());
  for (const size_t parent : parents) {
    if (--children[parent] == 0) {
      next.push_back(std::move(values[parent]));
    } else {
      next.push_back(values[parent]);
    }
  }
  return next;
}

}  // namespace pellucid::generation
