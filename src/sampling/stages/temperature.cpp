// Temperature: divides the logits; at 0 only the best is left (greedy). threshold: the best logit after it.
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "temperature",
    .aliases = {"temp"},
    .field = &Settings::temperature,
    .minimum = 0,
    .maximum = kHighestTemperature,
    .smallest_positive = kLowestTemperature,
    .identity = 1,
    .help = "divide logits by this: below 1 sharper, above 1 flatter; 0 always takes the most likely token",
}};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.temperature;
  if (report.setting == 0) {
    candidates.keep_best(1);
  } else {
    candidates.divide_logits(report.setting);
  }
  report.threshold = candidates.logit(0);
}

/// With a range, dynamic_temperature divides in its place.
bool on(const Settings& settings) {
  return settings.temperature == 0 || (settings.temperature != 1 && settings.dynatemp_range == 0);
}

std::string summary(const StageReport& report) {
  if (report.setting == 0) return "0 is greedy: the most likely token, always";
  return fmt::format("logits / {}", report.setting);
}

}  // namespace

constinit const StageRow kTemperatureStage{
    .id = StageId::kTemperature,
    .name = "temperature",
    .group = StageGroup::kBasic,
    .settings = kSettings,
    .on = on,
    .pointwise = true,
    .divisor = [](const Settings& s) { return s.temperature == 0 ? 1 : s.temperature; },
    .enough = [](const Settings& s) { return Enough{.best = s.temperature == 0 ? 1UL : 0UL}; },
    .run = run,
    .shown_when_off = true,
    .summary = summary,
    .reason = [](const StageReport&, size_t) { return std::string("not the best"); },
};

}  // namespace pellucid::sampling
