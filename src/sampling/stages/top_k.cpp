#include <fmt/format.h>

#include "sampling/stages/stages.h"

namespace pellucid::sampling {

void top_k(const Settings& settings, Candidates& candidates, StageReport& report) {
  report.setting = settings.top_k;
  const auto k = static_cast<size_t>(settings.top_k);
  if (k < candidates.standing()) candidates.keep_best(k);
  report.threshold = candidates.logits().back();
}

std::string top_k_summary(const StageReport& report) {
  const std::string kept = fmt::format("kept {} of {}", report.kept, report.entered);
  return report.removed() == 0 ? kept : fmt::format("{}, cut at logit {:.6g}", kept, report.threshold);
}

std::string top_k_reason(const StageReport& report, size_t rank) {
  return fmt::format("rank {} > {}", rank + 1, report.setting);
}

}  // namespace pellucid::sampling
