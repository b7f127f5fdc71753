// Eta sampling: a cut at min(eta, sqrt(eta) exp(-entropy)), lower where there is more to choose from (Hewitt,
// Manning and Liang 2022, arXiv:2210.15191). measure: entropy in nats; threshold: the probability of the cut.
#include <cmath>

#include "sampling/exp.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "eta_cutoff",
    .field = &Settings::eta_cutoff,
    .minimum = 0,
    .maximum = 1,
    .identity = 0,
    .help = "keep tokens of at least min(this, sqrt(this) * exp(-entropy)); 0 is off",
}};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.eta_cutoff;
  report.measure = candidates.entropy();
  report.threshold = std::min(report.setting, std::sqrt(report.setting) * exp_nonpositive(-report.measure));
  candidates.keep_probable(report.threshold);
}

}  // namespace

constinit const StageRow kEtaCutoffStage{
    .id = StageId::kEtaCutoff,
    .name = "eta_cutoff",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .run = run,
    .summary =
        [](const StageReport& report) {
          return fmt::format("{}, those of at least {:.4g} for an entropy of {:.4f} nats", kept_of(report),
                             report.threshold, report.measure);
        },
    .reason = [](const StageReport& report, size_t) { return fmt::format("below {:.4g}", report.threshold); },
};

}  // namespace pellucid::sampling
