// No repeated n-gram: rules out what would complete a sequence of n tokens that the text holds already
// (Paulus et al. 2017, arXiv:1705.04304).
#include "sampling/stages/counts.h"
#include "sampling/stages/sequences.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "no_repeat_ngram_size",
    .field = &Settings::no_repeat_ngram_size,
    .minimum = 0,
    .maximum = kMaxInt,
    .identity = 0,
    .help = "let no sequence of this many tokens occur twice; 0 is off",
}};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& /*report*/) {
  const std::span<const int32_t> tokens = input.context.tokens;
  const auto n = static_cast<size_t>(input.settings.no_repeat_ngram_size);
  std::vector<int32_t> banned;
  for (size_t begin = 0; n <= tokens.size() && begin <= tokens.size() - n; ++begin) {
    const std::span<const int32_t> ngram = tokens.subspan(begin, n);
    if (completes(tokens, ngram)) banned.push_back(ngram.back());
  }
  return rule_out(std::move(banned), logit);
}

}  // namespace

constinit const StageRow kNoRepeatNgramStage{
    .id = StageId::kNoRepeatNgram,
    .name = "no_repeat_ngram",
    .group = StageGroup::kPenalty,
    .settings = kSettings,
    .edit = edit,
    .summary = ruled_out_words,
    .reason = [](const StageReport&, size_t) { return std::string("repeats an n-gram"); },
};

}  // namespace pellucid::sampling
