// The values that shape a distribution, and how they are read, checked and printed. What may be set, and
// within which range, is in the rows of registry.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pellucid::sampling {

/// A stage of the chain; the index of its row in the registry.
enum class StageId : uint8_t { kTemperature, kTopK, kTopP };

/// Temperature, then top-k, then top-p.
std::vector<StageId> default_order();

/// A plain value. The initialisers are the defaults.
struct Settings {
  double temperature = 1.0;
  int32_t top_k = 50;
  double top_p = 0.95;

  /// Stages in the order they run; one that isn't named doesn't run.
  std::vector<StageId> order = default_order();

  bool operator==(const Settings&) const = default;
};

/// Sets one value from text, e.g. ("top_k", "40"), ("--top-k", "40"), ("order", "top_k,temperature"). Aliases
/// count, and '-' equals '_'. Errors: kUsage with the setting's name, the value and its range.
Result<void> set(Settings& settings, std::string_view name, std::string_view text);

/// Refuses NaN, infinities and values out of range (by name, value and range), and a stage named twice in the
/// order.
Result<void> check(const Settings& settings);

/// True where the chain always leaves the single most likely token: temperature 0 or top-k 1 (and the stage
/// is in the order). Of equal logits the lower id is the most likely.
bool greedy(const Settings& settings);

/// "temperature=1 top_k=50 top_p=0.95 order=temperature,top_k,top_p"; numbers in the shortest form that reads
/// back exactly.
std::string to_string(const Settings& settings);

/// "temperature,top_k,top_p".
std::string order_text(const std::vector<StageId>& order);

}  // namespace pellucid::sampling
