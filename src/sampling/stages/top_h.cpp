// Top-h: of the 100 best, the most likely ones that make up at most this share of the entropy (Potraghloo et
// al. 2025, arXiv:2509.02510, as transformers computes it). measure: entropy of the 100 in nats; threshold:
// the part of it that is kept.
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr size_t kLooksAt = 100;
constexpr double kRounding = 1e-12;  // a sum that should be the budget may be a little more

constexpr std::array kSettings{SettingRow{
    .name = "top_h",
    .field = &Settings::top_h,
    .minimum = 0,
    .maximum = 1,
    .identity = 0,
    .help = "keep the most likely tokens that make up this share of the entropy of the 100 best; 0 is off",
}};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.top_h;
  if (kLooksAt < candidates.standing()) candidates.keep_best(kLooksAt);
  std::vector<double> sums;  // of -p ln p, from the best down
  double sum = 0;
  for (size_t rank = 0; rank < candidates.size(); ++rank) {
    const double p = candidates.probability(rank);
    sums.push_back(sum += p > 0 ? p * candidates.surprise(rank) : 0);
  }
  report.measure = sum;
  const double budget = report.setting * sum * (1 + kRounding);
  size_t kept = 1;
  while (kept < sums.size() && sums[kept] <= budget) ++kept;
  report.threshold = sums[kept - 1];
  candidates.keep_best(kept);
}

}  // namespace

constinit const StageRow kTopHStage{
    .id = StageId::kTopH,
    .name = "top_h",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .enough = [](const Settings&) { return Enough{.best = kLooksAt}; },
    .run = run,
    .summary =
        [](const StageReport& report) {
          return fmt::format("{}, {:.4f} of {:.4f} nats", kept_of(report), report.threshold, report.measure);
        },
    .reason = [](const StageReport& report,
                 size_t) { return fmt::format("over {} of the entropy", report.setting); },
};

}  // namespace pellucid::sampling
