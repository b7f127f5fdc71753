// Minimum length: the tokens that end a text are ruled out until the output has this many.
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "min_new_tokens",
    .aliases = {"min_tokens"},
    .field = &Settings::min_new_tokens,
    .minimum = 0,
    .maximum = kMaxInt,
    .identity = 0,
    .help = "don't end before this many new tokens",
}};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& /*report*/) {
  const Context& context = input.context;
  if (context.output().size() >= static_cast<size_t>(input.settings.min_new_tokens)) return {};
  return rule_out({context.end_ids.begin(), context.end_ids.end()}, logit);
}

}  // namespace

constinit const StageRow kMinNewTokensStage{
    .id = StageId::kMinNewTokens,
    .name = "min_new_tokens",
    .group = StageGroup::kConstraint,
    .settings = kSettings,
    .edit = edit,
    .summary = ruled_out_words,
    .reason = [](const StageReport&, size_t) { return std::string("too early to end"); },
};

}  // namespace pellucid::sampling
