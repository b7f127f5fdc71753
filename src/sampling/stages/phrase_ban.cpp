// Phrase ban: rules out the tokens that led to a banned phrase when they were chosen at this step
// (generation/phrase_bans.h goes back and says which).
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array<std::string_view, 2> kCases{"exact", "ignore"};

constexpr std::array kSettings{
    SettingRow{
        .name = "ban_phrases",
        .aliases = {"ban_phrase", "banned_strings"},
        .field = &Settings::ban_phrases,
        .identity = 0,
        .adds_up = true,
        .help = "texts that the output must not hold: where it comes to, it goes back to where that began",
    },
    SettingRow{
        .name = "ban_case",
        .field = &Settings::ban_case,
        .choices = kCases,
        .help = "whether the letters A to Z of a banned phrase stand for a to z, too",
    },
};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& /*report*/) {
  const std::span<const int32_t> banned = input.context.banned;
  return rule_out({banned.begin(), banned.end()}, logit);
}

}  // namespace

constinit const StageRow kPhraseBanStage{
    .id = StageId::kPhraseBan,
    .name = "phrase_ban",
    .group = StageGroup::kConstraint,
    .settings = kSettings,
    .edit = edit,
    .summary = ruled_out_words,
    .reason = [](const StageReport&, size_t) { return std::string("led to a banned phrase"); },
};

}  // namespace pellucid::sampling
