// Frequency penalty: subtracts from a logit for each time that the token is in the text (the OpenAI API,
// 2020).
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{
    SettingRow{
        .name = "frequency_penalty",
        .field = &Settings::frequency_penalty,
        .minimum = -100,
        .maximum = 100,
        .identity = 0,
        .help = "subtract this from a logit for each time the token is in the output; 0 is off",
    },
    SettingRow{
        .name = "penalty_last_n",
        .field = &Settings::penalty_last_n,
        .minimum = -1,
        .maximum = kMaxInt,
        .identity = -1,
        .help = "how many of the latest tokens frequency_penalty and presence_penalty look at; -1 is all",
    },
    SettingRow{
        .name = "penalty_scope",
        .field = &Settings::penalty_scope,
        .choices = kScopes,
        .help = "for both: prompt and output, or output only",
    },
};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& report) {
  const Settings& s = input.settings;
  report.setting = s.frequency_penalty;
  return edit_counted(input.context.window(s.penalty_last_n, s.penalty_scope), logit,
                      [f = s.frequency_penalty](double x, int32_t count) { return x - f * count; });
}

}  // namespace

constinit const StageRow kFrequencyPenaltyStage{
    .id = StageId::kFrequencyPenalty,
    .name = "frequency_penalty",
    .group = StageGroup::kPenalty,
    .settings = kSettings,
    .edit = edit,
    .summary = changed_words,
    .reason = no_reason,
};

}  // namespace pellucid::sampling
