// Top-n-sigma: who is within n standard deviations of the best logit (Tang et al. 2024, arXiv:2411.07641).
// measure: the standard deviation (of the population); threshold: the lowest logit kept.
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "top_n_sigma",
    .aliases = {"top_nsigma"},
    .field = &Settings::top_n_sigma,
    .minimum = 0,
    .maximum = 1e6,
    .identity = 0,
    .help = "keep logits within this many standard deviations of the best; 0 is off",
}};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.top_n_sigma;
  report.measure = candidates.standard_deviation();
  report.threshold = candidates.logit(0) - report.setting * report.measure;
  size_t kept = 1;
  while (kept < candidates.size() && candidates.logit(kept) >= report.threshold) ++kept;
  candidates.keep_best(kept);
}

}  // namespace

constinit const StageRow kTopNSigmaStage{
    .id = StageId::kTopNSigma,
    .name = "top_n_sigma",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .run = run,
    .summary =
        [](const StageReport& report) {
          return fmt::format("{}, logits from {:.6g}; sigma is {:.4g}", kept_of(report), report.threshold,
                             report.measure);
        },
    .reason = [](const StageReport& report,
                 size_t) { return fmt::format("logit below {:.6g}", report.threshold); },
};

}  // namespace pellucid::sampling
