// Presence penalty: subtracts once from the logit of a token that the text holds (the OpenAI API, 2020). What
// text that is, penalty_last_n and penalty_scope say (frequency_penalty.cpp).
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "presence_penalty",
    .field = &Settings::presence_penalty,
    .minimum = -100,
    .maximum = 100,
    .identity = 0,
    .help = "subtract this from the logits of tokens in the output; 0 is off",
}};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& report) {
  const Settings& s = input.settings;
  report.setting = s.presence_penalty;
  return edit_counted(input.context.window(s.penalty_last_n, s.penalty_scope), logit,
                      [p = s.presence_penalty](double x, int32_t) { return x - p; });
}

}  // namespace

constinit const StageRow kPresencePenaltyStage{
    .id = StageId::kPresencePenalty,
    .name = "presence_penalty",
    .group = StageGroup::kPenalty,
    .settings = kSettings,
    .edit = edit,
    .summary = changed_words,
    .reason = no_reason,
};

}  // namespace pellucid::sampling
