// Logit bias, of single tokens and of the last token of sequences (transformers' sequence_bias).
#include <map>

#include "sampling/stages/counts.h"
#include "sampling/stages/sequences.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "logit_bias",
    .aliases = {"sequence_bias"},
    .field = &Settings::logit_bias,
    .minimum = -1e9,
    .maximum = 1e9,
    .identity = 0,
    .help = "add to the logits of tokens, or of the last token of a sequence after the others; -inf bans",
}};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& /*report*/) {
  std::map<int32_t, double> sums;
  for (const SequenceBias& one : input.settings.logit_bias) {
    if (completes(input.context.tokens, one.ids)) sums[one.ids.back()] += one.bias;
  }
  Edits edits;
  for (const auto& [id, bias] : sums) {
    if (logit(id) > kRuledOut) edits.changes.push_back({id, logit(id) + bias});
  }
  return edits;
}

}  // namespace

constinit const StageRow kLogitBiasStage{
    .id = StageId::kLogitBias,
    .name = "logit_bias",
    .group = StageGroup::kConstraint,
    .settings = kSettings,
    .edit = edit,
    .summary = changed_words,
    .reason = [](const StageReport&, size_t) { return std::string("bias -inf"); },
};

}  // namespace pellucid::sampling
