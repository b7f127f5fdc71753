// Epsilon sampling: who has at least this probability (Hewitt, Manning and Liang 2022, arXiv:2210.15191).
// threshold: that probability.
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "epsilon_cutoff",
    .field = &Settings::epsilon_cutoff,
    .minimum = 0,
    .maximum = 1,
    .identity = 0,
    .help = "keep tokens of at least this probability; 0 is off",
}};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.epsilon_cutoff;
  report.threshold = report.setting;
  candidates.keep_probable(report.threshold);
}

}  // namespace

constinit const StageRow kEpsilonCutoffStage{
    .id = StageId::kEpsilonCutoff,
    .name = "epsilon_cutoff",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .run = run,
    .summary =
        [](const StageReport& report) {
          return fmt::format("{}, those of at least {}", kept_of(report), report.threshold);
        },
    .reason = [](const StageReport& report, size_t) { return fmt::format("below {}", report.threshold); },
};

}  // namespace pellucid::sampling
