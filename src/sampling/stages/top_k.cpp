// Top-k: the k best (Fan, Lewis and Dauphin 2018, arXiv:1805.04833). threshold: the last logit kept.
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array<std::string_view, 2> kTies{"cut", "keep"};

constexpr std::array kSettings{
    SettingRow{
        .name = "top_k",
        .field = &Settings::top_k,
        .minimum = 0,
        .maximum = kMaxInt,
        .identity = 0,
        .help = "keep this many of the most likely tokens; 0 is off",
    },
    SettingRow{
        .name = "top_k_ties",
        .field = &Settings::top_k_ties,
        .choices = kTies,
        .help = "of logits equal to the last one kept: cut to exactly top_k (lower ids stay), or keep all",
    },
};

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.top_k;
  size_t k = std::max(static_cast<size_t>(input.settings.top_k), candidates.least());
  if (k < candidates.standing()) {
    if (input.settings.top_k_ties == TopKTies::kKeep) {
      while (k < candidates.size() && candidates.logit(k) == candidates.logit(k - 1)) ++k;
    }
    candidates.keep_best(k);
  }
  report.threshold = candidates.logits().back();
}

std::string summary(const StageReport& report) {
  if (report.removed() == 0) return kept_of(report);
  return fmt::format("{}, cut at logit {:.6g}", kept_of(report), report.threshold);
}

}  // namespace

constinit const StageRow kTopKStage{
    .id = StageId::kTopK,
    .name = "top_k",
    .group = StageGroup::kBasic,
    .settings = kSettings,
    .enough =
        [](const Settings& s) {
          return Enough{.best = static_cast<size_t>(s.top_k), .ties = s.top_k_ties == TopKTies::kKeep};
        },
    .run = run,
    .shown_when_off = true,
    .summary = summary,
    .reason = [](const StageReport& report,
                 size_t rank) { return fmt::format("rank {} > {}", rank + 1, report.setting); },
};

}  // namespace pellucid::sampling
