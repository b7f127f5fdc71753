// XTC, exclude top choices: on a coin's word, of the tokens above a threshold only the least likely stays
// (p-e-w 2024; llama.cpp's rule). The coin is tossed whether it matters or not. threshold: the probability of
// the one that stays.
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{
    SettingRow{
        .name = "xtc_probability",
        .field = &Settings::xtc_probability,
        .minimum = 0,
        .maximum = 1,
        .identity = 0,
        .help = "how often to drop all likely tokens but the least likely of them; 0 is off",
    },
    SettingRow{
        .name = "xtc_threshold",
        .field = &Settings::xtc_threshold,
        .minimum = 0,
        .maximum = 1,
        .identity = 1,
        .help = "the probability from which a token counts as likely; above 0.5 there cannot be two",
    },
};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.xtc_probability;
  report.random = random_of(input.context, Consumer::kXtc);
  report.measure = report.random->u;
  size_t likely = 0;
  while (likely < candidates.size() && candidates.probability(likely) >= input.settings.xtc_threshold)
    ++likely;
  report.threshold = likely == 0 ? 0 : candidates.probability(likely - 1);
  if (report.random->u < report.setting && likely > 1) candidates.keep_ranks(likely - 1, candidates.size());
}

std::string summary(const StageReport& report) {
  if (report.measure >= report.setting) {
    return fmt::format("coin {:.4f} >= {}: all stay", report.measure, report.setting);
  }
  return fmt::format("coin {:.4f} < {}, dropped the {} likeliest", report.measure, report.setting,
                     report.removed());
}

}  // namespace

constinit const StageRow kXtcStage{
    .id = StageId::kXtc,
    .name = "xtc",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .on = [](const Settings& s) { return s.xtc_probability > 0 && s.xtc_threshold <= 0.5; },
    .run = run,
    .summary = summary,
    .reason = [](const StageReport& report,
                 size_t) { return fmt::format("likelier than {:.4f}", report.threshold); },
};

}  // namespace pellucid::sampling
