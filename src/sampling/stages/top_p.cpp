#include <fmt/format.h>

#include "sampling/stages/stages.h"

namespace pellucid::sampling {
namespace {

// Logits are float32, so a sum of probabilities that should equal p may fall short of it by some 1e-7.
constexpr double kTolerance = 1e-6;

}  // namespace

void top_p(const Settings& settings, Candidates& candidates, StageReport& report) {
  report.setting = settings.top_p;
  const double total = candidates.total_weight();
  size_t kept = 0;
  double cumulative = 0;
  for (const double weight : candidates.weights()) {
    cumulative += weight;
    ++kept;
    if (cumulative / total >= settings.top_p - kTolerance) break;
  }
  report.threshold = cumulative / total;
  candidates.keep_best(kept);
}

std::string top_p_summary(const StageReport& report) {
  return fmt::format("{:.4f} >= {}, kept {} of {}", report.threshold, report.setting, report.kept,
                     report.entered);
}

std::string top_p_reason(const StageReport& report, size_t /*rank*/) {
  return fmt::format("{:.4f} above it", report.threshold);
}

}  // namespace pellucid::sampling
