// Bad words: sequences of tokens that the text must not hold. The last token is ruled out where the others
// stand before it (transformers' bad_words_ids).
#include "sampling/stages/counts.h"
#include "sampling/stages/sequences.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "bad_words",
    .aliases = {"bad_words_ids"},
    .field = &Settings::bad_words,
    .identity = 0,
    .help = "sequences of tokens that must not be generated",
}};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& /*report*/) {
  std::vector<int32_t> banned;
  for (const TokenIds& ids : input.settings.bad_words) {
    if (completes(input.context.tokens, ids)) banned.push_back(ids.back());
  }
  return rule_out(std::move(banned), logit);
}

}  // namespace

constinit const StageRow kBadWordsStage{
    .id = StageId::kBadWords,
    .name = "bad_words",
    .group = StageGroup::kConstraint,
    .settings = kSettings,
    .edit = edit,
    .summary = ruled_out_words,
    .reason = [](const StageReport&, size_t) { return std::string("ends a bad word"); },
};

}  // namespace pellucid::sampling
