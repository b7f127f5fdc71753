#include <fmt/format.h>

#include "sampling/stages/stages.h"

namespace pellucid::sampling {

void temperature(const Settings& settings, Candidates& candidates, StageReport& report) {
  report.setting = settings.temperature;
  if (settings.temperature == 0) {
    candidates.keep_best(1);
  } else {
    candidates.divide_logits(settings.temperature);
  }
  report.threshold = candidates.logits().front();
}

std::string temperature_summary(const StageReport& report) {
  if (report.setting == 0) return "0 is greedy: the most likely token, always";
  return fmt::format("logits / {}", report.setting);
}

std::string temperature_reason(const StageReport& /*report*/, size_t /*rank*/) { return "not the best"; }

}  // namespace pellucid::sampling
