// Dynamic temperature: between temperature - range and temperature + range, the higher the more the entropy
// of who is left comes near its maximum (kalomaze 2023; llama.cpp's temp_ext). measure: entropy in nats;
// threshold: the temperature it chose.
#include "sampling/log.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{
    SettingRow{
        .name = "dynatemp_range",
        .field = &Settings::dynatemp_range,
        .minimum = 0,
        .maximum = kHighestTemperature,
        .identity = 0,
        .help = "let the temperature follow the entropy, by up to this much up and down; 0 is off",
    },
    SettingRow{
        .name = "dynatemp_exponent",
        .field = &Settings::dynatemp_exponent,
        .minimum = 0,
        .maximum = 100,
        .identity = 1,
        .help = "temperature = low + (high - low) * (entropy / largest entropy) ^ this",
    },
};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  const Settings& s = input.settings;
  report.setting = s.dynatemp_range;
  report.threshold = s.temperature;
  if (candidates.size() < 2) return;
  const double low = std::max(0.0, s.temperature - s.dynatemp_range);
  const double high = std::min(s.temperature + s.dynatemp_range, kHighestTemperature);
  report.measure = candidates.entropy();
  const double share = report.measure / log_positive(static_cast<double>(candidates.size()));
  const double raised = share > 0 ? power(share, s.dynatemp_exponent) : 0;
  report.threshold = std::clamp(low + (high - low) * raised, kLowestTemperature, kHighestTemperature);
  candidates.divide_logits(report.threshold);
}

std::string summary(const StageReport& report) {
  return fmt::format("logits / {:.6g}, for an entropy of {:.4f} nats", report.threshold, report.measure);
}

}  // namespace

constinit const StageRow kDynamicTemperatureStage{
    .id = StageId::kDynamicTemperature,
    .name = "dynamic_temperature",
    .group = StageGroup::kBasic,
    .settings = kSettings,
    .on = [](const Settings& s) { return s.dynatemp_range != 0 && s.temperature != 0; },
    .run = run,
    .summary = summary,
    .reason = no_reason,
};

}  // namespace pellucid::sampling
