// Structured output: tokens with which the text would leave its schema, pattern, choices or grammar are ruled
// out. What is allowed comes with the context; who follows the text has it from a guide (generation).
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{
    SettingRow{
        .name = "json_schema",
        .aliases = {"json", "guided_json"},
        .field = &Settings::json_schema,
        .identity = 0,
        .may_be_file = true,
        .help = "the output is JSON that this JSON schema describes; true for any",
    },
    SettingRow{
        .name = "regex",
        .aliases = {"guided_regex"},
        .field = &Settings::regex,
        .identity = 0,
        .help = "the output matches this pattern, from its beginning to its end",
    },
    SettingRow{
        .name = "choice",
        .aliases = {"guided_choice"},
        .field = &Settings::choice,
        .identity = 0,
        .help = "the output is one of these texts",
    },
    SettingRow{
        .name = "grammar",
        .aliases = {"guided_grammar"},
        .field = &Settings::grammar,
        .identity = 0,
        .may_be_file = true,
        .help = "the output follows this grammar: EBNF as Lark writes it, in llguidance's variant",
    },
};

bool on(const Settings& settings) { return is_structured(settings); }

Edits edit(const StageInput& input, const LogitOf& /*logit*/, StageReport& /*report*/) {
  const std::span<const uint32_t> allowed = input.context.allowed;
  return {.changes = {}, .only = {allowed.begin(), allowed.end()}, .restricts = true};
}

}  // namespace

constinit const StageRow kGrammarStage{
    .id = StageId::kGrammar,
    .name = "grammar",
    .group = StageGroup::kStructure,
    .settings = kSettings,
    .on = on,
    .edit = edit,
    .summary = kept_of,
    .reason = [](const StageReport&, size_t) { return std::string("the structure forbids it"); },
};

}  // namespace pellucid::sampling
