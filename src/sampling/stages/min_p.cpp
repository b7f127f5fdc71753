// Min-p: who has at least this share of the best one's probability (Nguyen et al. 2024, arXiv:2407.01082).
// threshold: the lowest such probability.
#include "sampling/log.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "min_p",
    .field = &Settings::min_p,
    .minimum = 0,
    .maximum = 1,
    .smallest_positive = 1e-300,
    .identity = 0,
    .help = "keep tokens with at least this share of the most likely one's probability; 0 is off",
}};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.min_p;
  const std::span<const double> weights = candidates.weights();
  const auto first_below = std::ranges::find_if(weights, [&](double w) { return w < report.setting; });
  candidates.keep_best(static_cast<size_t>(first_below - weights.begin()));
  report.threshold = report.setting;
}

}  // namespace

constinit const StageRow kMinPStage{
    .id = StageId::kMinP,
    .name = "min_p",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .enough = [](const Settings& s) { return Enough{.below = 1e-9 - log_positive(s.min_p)}; },
    .run = run,
    .summary =
        [](const StageReport& report) {
          return fmt::format("{}, those of at least {} of the best", kept_of(report), report.setting);
        },
    .reason = [](const StageReport& report,
                 size_t) { return fmt::format("below {} of the best", report.setting); },
};

}  // namespace pellucid::sampling
