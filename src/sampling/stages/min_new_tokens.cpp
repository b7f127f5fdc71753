// Minimum length: the tokens that end a text are ruled out until the output, or prompt and output together,
// have this many tokens.
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{
    SettingRow{
        .name = "min_new_tokens",
        .aliases = {"min_tokens"},
        .field = &Settings::min_new_tokens,
        .minimum = 0,
        .maximum = kMaxInt,
        .identity = 0,
        .help = "don't end before this many new tokens",
    },
    SettingRow{
        .name = "min_length",
        .field = &Settings::min_length,
        .minimum = 0,
        .maximum = kMaxInt,
        .identity = 0,
        .help = "don't end before this many tokens, those of the prompt counted",
    },
};

bool on(const Settings& settings) { return settings.min_new_tokens > 0 || settings.min_length > 0; }

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& /*report*/) {
  const Context& context = input.context;
  const bool early = context.output().size() < static_cast<size_t>(input.settings.min_new_tokens) ||
                     context.tokens.size() < static_cast<size_t>(input.settings.min_length);
  if (!early) return {};
  return rule_out({context.end_ids.begin(), context.end_ids.end()}, logit);
}

}  // namespace

constinit const StageRow kMinNewTokensStage{
    .id = StageId::kMinNewTokens,
    .name = "min_new_tokens",
    .group = StageGroup::kConstraint,
    .settings = kSettings,
    .on = on,
    .edit = edit,
    .summary = ruled_out_words,
    .reason = [](const StageReport&, size_t) { return std::string("too early to end"); },
};

}  // namespace pellucid::sampling
