// Exponential length decay: raises the logits of the tokens that end a text, from some length on, by
// |logit| * (factor ^ tokens since - 1) (transformers' exponential_decay_length_penalty).
#include <cmath>

#include "sampling/log.h"
#include "sampling/stages/counts.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr double kLargestFactor = 1e30;  // keeps logits finite at any length

constexpr std::array kSettings{
    SettingRow{
        .name = "length_decay_factor",
        .field = &Settings::length_decay_factor,
        .minimum = 0.01,
        .maximum = 100,
        .identity = 1,
        .help = "make an end likelier the longer the text: factor per token; 1 is off",
    },
    SettingRow{
        .name = "length_decay_start",
        .field = &Settings::length_decay_start,
        .minimum = 0,
        .maximum = kMaxInt,
        .identity = 0,
        .help = "after how many new tokens that begins",
    },
};

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& report) {
  const size_t length = input.context.output().size();
  const auto start = static_cast<size_t>(input.settings.length_decay_start);
  report.setting = input.settings.length_decay_factor;
  if (length <= start) return {};
  const double grown =
      std::min(power(report.setting, static_cast<uint32_t>(length - start)), kLargestFactor) - 1;
  report.measure = grown;
  return edit_counted(input.context.end_ids, logit,
                      [&](double x, int32_t) { return x + std::abs(x) * grown; });
}

}  // namespace

constinit const StageRow kLengthDecayStage{
    .id = StageId::kLengthDecay,
    .name = "length_decay",
    .group = StageGroup::kPenalty,
    .settings = kSettings,
    .edit = edit,
    .summary = changed_words,
    .reason = no_reason,
};

}  // namespace pellucid::sampling
