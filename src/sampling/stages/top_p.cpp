// Top-p: the nucleus, the fewest from the most likely down whose probabilities reach p (Holtzman et al. 2019,
// arXiv:1904.09751). threshold: the cumulative probability reached.
#include <cmath>
#include <limits>

#include "sampling/interval.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array<std::string_view, 3> kCrossing{"keep", "pass", "drop"};

constexpr std::array kSettings{
    SettingRow{
        .name = "top_p",
        .field = &Settings::top_p,
        .minimum = 0,
        .maximum = 1,
        .identity = 1,
        .help = "keep the fewest most likely tokens whose probabilities reach this; 1 is off",
    },
    SettingRow{
        .name = "top_p_crossing",
        .field = &Settings::top_p_crossing,
        .choices = kCrossing,
        .help = "the token that reaches top_p: keep it; go on until the sum has passed top_p; or drop it",
    },
};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  const double p = input.settings.top_p;
  const TopPCrossing crossing = input.settings.top_p_crossing;
  report.setting = p;
  // Where the sum is p to within rounding, it has been reached but not passed.
  const double bound =
      crossing == TopPCrossing::kKeep ? p - kProbabilityTolerance : p + kProbabilityTolerance;
  const Interval crossed = interval_at(candidates, std::nextafter(bound, -1.0));
  const bool dropped = crossing == TopPCrossing::kDrop && crossed.rank > 0 && crossed.reached;
  const double sum = dropped ? crossed.before : crossed.sum;
  report.threshold =
      input.watched ? sum / candidates.total_weight() : std::numeric_limits<double>::quiet_NaN();
  candidates.keep_best(dropped ? crossed.rank : crossed.rank + 1);
}

std::string summary(const StageReport& report) {
  return fmt::format("{:.4f} {} {}, {}", report.threshold,
                     report.threshold >= report.setting - kProbabilityTolerance ? ">=" : "<", report.setting,
                     kept_of(report));
}

}  // namespace

constinit const StageRow kTopPStage{
    .id = StageId::kTopP,
    .name = "top_p",
    .group = StageGroup::kBasic,
    .settings = kSettings,
    .run = run,
    .shown_when_off = true,
    .summary = summary,
    .reason = [](const StageReport& report,
                 size_t) { return fmt::format("{:.4f} above it", report.threshold); },
};

}  // namespace pellucid::sampling
