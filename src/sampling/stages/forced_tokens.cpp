// Forced tokens: what the output begins with, whatever the logits say of it.
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "forced_tokens",
    .field = &Settings::forced_tokens,
    .identity = 0,
    .help = "tokens that the output begins with",
}};

/// One that has been ruled out gets the logit 0, as transformers gives every forced token.
Edits edit(const StageInput& input, const LogitOf& logit, StageReport& /*report*/) {
  const size_t at = input.context.output().size();
  const TokenIds& forced = input.settings.forced_tokens;
  if (at >= forced.size()) return {};
  Edits edits{.changes = {}, .only = token_set({&forced[at], 1}), .restricts = true};
  if (logit(forced[at]) == kRuledOut) edits.changes.push_back({forced[at], 0});
  return edits;
}

}  // namespace

constinit const StageRow kForcedTokensStage{
    .id = StageId::kForcedTokens,
    .name = "forced_tokens",
    .group = StageGroup::kConstraint,
    .settings = kSettings,
    .edit = edit,
    .summary = ruled_out_words,
    .reason = [](const StageReport&, size_t) { return std::string("another is forced"); },
};

}  // namespace pellucid::sampling
