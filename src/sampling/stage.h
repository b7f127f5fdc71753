// A stage of the chain: what it is given, and what it reports about one step.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "sampling/context.h"
#include "sampling/row.h"
#include "sampling/settings.h"

namespace pellucid::sampling {

/// The logit of a token that is ruled out.
inline constexpr double kRuledOut = -std::numeric_limits<double>::infinity();

/// All that a stage may depend on besides the candidates.
struct StageInput {
  const Settings& settings;
  const Context& context;
  const State& state;
  size_t vocabulary = 0;  // tokens of it
  bool watched = true;    // whether anybody looks at thresholds that aren't needed to know who is left
};

/// The logit of a token as the stages before left it; -inf where it is ruled out or no token.
using LogitOf = std::function<double(int32_t)>;

/// Numbers only; the stage's row of the registry turns them into words.
struct StageReport {
  StageId stage{};
  bool skipped = false;  // its setting is the identity, so it didn't run
  size_t entered = 0;    // candidates before
  size_t kept = 0;       // candidates after
  size_t changed = 0;    // logits it changed, where it changes single ones
  double setting = 0;    // the value it worked with
  double threshold = 0;  // where it cut; what that is, the stage's file says; NaN where unknown
  double measure = 0;    // what the threshold was made from, e.g. the entropy, where there is such a thing
  std::optional<RandomDraw> random;  // where it takes a random number

  /// adaptive_p: probabilities before the stage, by id.
  std::vector<std::pair<int32_t, double>> before;

  // Only where the chain is watched, for these need the whole distribution:
  std::optional<double> mass_kept;     // probability, before the stage, of those it kept
  std::optional<double> entropy_bits;  // of who is left after it

  [[nodiscard]] size_t removed() const { return entered - kept; }
};

}  // namespace pellucid::sampling
