// Words and bounds that several stages share.
#pragma once

#include <fmt/format.h>

#include <array>
#include <limits>
#include <string>
#include <string_view>

#include "sampling/stage.h"

namespace pellucid::sampling {

inline constexpr double kMaxInt = std::numeric_limits<int32_t>::max();

/// The names of Scope.
inline constexpr std::array<std::string_view, 2> kScopes{"all", "output"};

/// Within these bounds no quotient of a logit leaves the range of float64.
inline constexpr double kLowestTemperature = 1e-9;
inline constexpr double kHighestTemperature = 1e9;

/// Logits are float32, so a sum of probabilities that should equal p may fall short of it by some 1e-7.
inline constexpr double kProbabilityTolerance = 1e-6;

inline std::string kept_of(const StageReport& report) {
  return fmt::format("kept {} of {}", report.kept, report.entered);
}

/// "3 logits changed" or "3 tokens ruled out".
inline std::string changed_words(const StageReport& report) {
  return fmt::format("{} {} changed", report.changed, report.changed == 1 ? "logit" : "logits");
}
inline std::string ruled_out_words(const StageReport& report) {
  return fmt::format("{} {} ruled out", report.removed(), report.removed() == 1 ? "token" : "tokens");
}

/// Of a stage that removes nothing.
inline std::string no_reason(const StageReport& /*report*/, size_t /*index*/) { return {}; }

}  // namespace pellucid::sampling
