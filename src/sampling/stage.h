// What one stage of the chain reports about one step.
#pragma once

#include <cstddef>
#include <optional>

#include "sampling/settings.h"

namespace pellucid::sampling {

/// Numbers only; the stage's row of the registry turns them into words.
struct StageReport {
  StageId stage{};
  bool skipped = false;  // its setting is the identity, so it didn't run
  size_t entered = 0;    // candidates before
  size_t kept = 0;       // candidates after
  double setting = 0;    // the value it worked with
  double threshold =
      0;  // where it cut: top_k: logit of the last one kept; top_p: cumulative probability reached
  // Only where the chain is watched, for these need the whole distribution:
  std::optional<double> mass_kept;     // probability, before the stage, of those it kept
  std::optional<double> entropy_bits;  // of who is left after it

  [[nodiscard]] size_t removed() const { return entered - kept; }
};

}  // namespace pellucid::sampling
