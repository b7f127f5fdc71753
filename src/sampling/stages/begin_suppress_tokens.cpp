// Tokens ruled out at the first step.
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "begin_suppress_tokens",
    .field = &Settings::begin_suppress_tokens,
    .identity = 0,
    .help = "tokens that must not be generated first",
}};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& /*report*/) {
  if (!input.context.output().empty()) return {};
  return rule_out(input.settings.begin_suppress_tokens, logit);
}

}  // namespace

constinit const StageRow kBeginSuppressStage{
    .id = StageId::kBeginSuppressTokens,
    .name = "begin_suppress_tokens",
    .group = StageGroup::kConstraint,
    .settings = kSettings,
    .edit = edit,
    .summary = ruled_out_words,
    .reason = [](const StageReport&, size_t) { return std::string("suppressed"); },
};

}  // namespace pellucid::sampling
