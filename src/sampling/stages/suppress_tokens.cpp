// Suppressed tokens are ruled out at every step.
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "suppress_tokens",
    .aliases = {"banned_tokens"},
    .field = &Settings::suppress_tokens,
    .identity = 0,
    .help = "tokens that must not be generated",
}};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& /*report*/) {
  return rule_out(input.settings.suppress_tokens, logit);
}

}  // namespace

constinit const StageRow kSuppressTokensStage{
    .id = StageId::kSuppressTokens,
    .name = "suppress_tokens",
    .group = StageGroup::kConstraint,
    .settings = kSettings,
    .edit = edit,
    .summary = ruled_out_words,
    .reason = [](const StageReport&, size_t) { return std::string("suppressed"); },
};

}  // namespace pellucid::sampling
