// Top-a: who has at least a times the square of the best one's probability (BlinkDL 2022, in KoboldAI).
// threshold: the lowest such probability.
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "top_a",
    .field = &Settings::top_a,
    .minimum = 0,
    .maximum = 1,
    .identity = 0,
    .help = "keep tokens of at least this times the square of the most likely one's probability; 0 is off",
}};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.top_a;
  const double best = candidates.probability(0);
  report.threshold = report.setting * best * best;
  candidates.keep_probable(report.threshold);
}

}  // namespace

constinit const StageRow kTopAStage{
    .id = StageId::kTopA,
    .name = "top_a",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .run = run,
    .summary =
        [](const StageReport& report) {
          return fmt::format("{}, those of at least {:.4g}", kept_of(report), report.threshold);
        },
    .reason = [](const StageReport& report, size_t) { return fmt::format("below {:.4g}", report.threshold); },
};

}  // namespace pellucid::sampling
