// Allowed tokens: all others are ruled out.
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "allowed_tokens",
    .aliases = {"allowed_token_ids"},
    .field = &Settings::allowed_tokens,
    .identity = 0,
    .help = "the only tokens that may be generated",
}};

Edits edit(const StageInput& input, const LogitOf& /*logit*/, StageReport& /*report*/) {
  return {.changes = {}, .only = token_set(input.settings.allowed_tokens), .restricts = true};
}

}  // namespace

constinit const StageRow kAllowedTokensStage{
    .id = StageId::kAllowedTokens,
    .name = "allowed_tokens",
    .group = StageGroup::kConstraint,
    .settings = kSettings,
    .edit = edit,
    .summary = ruled_out_words,
    .reason = [](const StageReport&, size_t) { return std::string("not allowed"); },
};

}  // namespace pellucid::sampling
