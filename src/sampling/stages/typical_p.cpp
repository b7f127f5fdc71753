// Locally typical sampling: the tokens whose surprise is nearest to the entropy, the fewest that reach p,
// with all that are as near as the last (Meister et al. 2022, arXiv:2202.00666). measure: entropy in nats;
// threshold: the largest distance kept.
#include <cmath>

#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "typical_p",
    .aliases = {"typical"},
    .field = &Settings::typical_p,
    .minimum = 0,
    .maximum = 1,
    .identity = 1,
    .help = "keep the tokens whose surprise is nearest to the entropy, as many as reach this; 1 is off",
}};

/// Surprise rises with the rank, so its distance from the entropy falls, then rises: the nearest ones are a
/// range of ranks that grows on the nearer side.
void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.typical_p;
  report.measure = candidates.entropy();
  const auto distance = [&](size_t rank) { return std::abs(candidates.surprise(rank) - report.measure); };
  const double wanted = (report.setting - kProbabilityTolerance) * candidates.total_weight();
  size_t end = 0;
  while (end < candidates.size() && candidates.surprise(end) < report.measure) ++end;
  size_t begin = end;  // [begin, end) is kept
  double sum = 0;
  while (begin > 0 || end < candidates.size()) {
    const bool lower = end == candidates.size() || (begin > 0 && distance(begin - 1) <= distance(end));
    const size_t next = lower ? begin - 1 : end;
    const bool enough = end - begin >= candidates.least() && sum > 0 && sum >= wanted;
    if (enough && distance(next) > report.threshold) break;
    report.threshold = distance(next);
    sum += candidates.weight(next);
    lower ? --begin : ++end;
  }
  candidates.keep_ranks(begin, end);
}

}  // namespace

constinit const StageRow kTypicalPStage{
    .id = StageId::kTypicalP,
    .name = "typical_p",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .run = run,
    .summary =
        [](const StageReport& report) {
          return fmt::format("{}, within {:.4f} nats of the entropy {:.4f}", kept_of(report),
                             report.threshold, report.measure);
        },
    .reason = [](const StageReport& report,
                 size_t) { return fmt::format("over {:.4f} nats off", report.threshold); },
};

}  // namespace pellucid::sampling
