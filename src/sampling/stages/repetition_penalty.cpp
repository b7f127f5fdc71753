// Repetition penalty: pulls the logits of tokens that the text holds towards less likely, once each (Keskar
// et al. 2019, arXiv:1909.05858).
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{
    SettingRow{
        .name = "repetition_penalty",
        .aliases = {"repeat_penalty"},
        .field = &Settings::repetition_penalty,
        .minimum = 0.01,
        .maximum = 100,
        .identity = 1,
        .help = "divide positive logits of tokens in the text by this, multiply negative ones; 1 is off",
    },
    SettingRow{
        .name = "repetition_last_n",
        .aliases = {"repeat_last_n"},
        .field = &Settings::repetition_last_n,
        .minimum = -1,
        .maximum = kMaxInt,
        .identity = -1,
        .help = "how many of the latest tokens repetition_penalty looks at; -1 is all",
    },
    SettingRow{
        .name = "repetition_scope",
        .field = &Settings::repetition_scope,
        .choices = kScopes,
        .help = "prompt and output, or output only",
    },
};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& report) {
  const Settings& s = input.settings;
  report.setting = s.repetition_penalty;
  return edit_counted(input.context.window(s.repetition_last_n, s.repetition_scope), logit,
                      [r = s.repetition_penalty](double x, int32_t) { return x < 0 ? x * r : x / r; });
}

}  // namespace

constinit const StageRow kRepetitionPenaltyStage{
    .id = StageId::kRepetitionPenalty,
    .name = "repetition_penalty",
    .group = StageGroup::kPenalty,
    .settings = kSettings,
    .edit = edit,
    .summary = changed_words,
    .reason = no_reason,
};

}  // namespace pellucid::sampling
