// Watermark: adds to the logits of green tokens (Kirchenbauer et al. 2023; watermark.h), as the last stage,
// like transformers. threshold: the probability of the green candidates before.
#include "sampling/watermark.h"

#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr size_t kLooksAt = 40;  // of selfhash: the best candidates, for each has a list of its own
constexpr double kLargestBias = 1000;

constexpr std::array<std::string_view, 2> kSchemes{"lefthash", "selfhash"};

constexpr std::array kSettings{
    SettingRow{
        .name = "watermark_bias",
        .aliases = {"watermark_delta"},
        .field = &Settings::watermark_bias,
        .minimum = -kLargestBias,
        .maximum = kLargestBias,
        .identity = 0,
        .help = "add to the logits of green tokens, which a secret key chooses; transformers has 2; 0 is off",
    },
    SettingRow{
        .name = "watermark_ratio",
        .aliases = {"greenlist_ratio", "watermark_gamma"},
        .field = &Settings::watermark_ratio,
        .minimum = 0.001,
        .maximum = 0.999,
        .identity = 0.25,
        .help = "the part of the vocabulary that is green",
    },
    SettingRow{
        .name = "watermark_key",
        .aliases = {"hashing_key"},
        .field = &Settings::watermark_key,
        .minimum = 1,
        .maximum = kMaxInt,
        .identity = 15485863,
        .help = "the key: who has it finds the watermark. Choose your own",
    },
    SettingRow{
        .name = "watermark_scheme",
        .aliases = {"seeding_scheme"},
        .field = &Settings::watermark_scheme,
        .choices = kSchemes,
        .help = "what green depends on: the token before, or the token itself and those before (slower)",
    },
    SettingRow{
        .name = "watermark_context",
        .aliases = {"context_width"},
        .field = &Settings::watermark_context,
        .minimum = 1,
        .maximum = 100,
        .identity = 1,
        .help = "selfhash: how many tokens it depends on, the token itself counted",
    },
};

/// Which candidates are green, best first.
std::vector<bool> green_of(const StageInput& input, const Candidates& candidates) {
  const std::span<const int32_t> tokens = input.context.tokens;
  const GreenLists lists(input.settings, input.vocabulary, input.context.watermark_table);
  std::vector<bool> green(candidates.size());
  if (input.settings.watermark_scheme == WatermarkScheme::kSelfHash) {
    for (size_t rank = 0; rank < std::min(kLooksAt, green.size()); ++rank) {
      green[rank] = lists.is_green(tokens, candidates.id(rank));
    }
    return green;
  }
  const std::vector<bool> list = lists.after(tokens.back());
  for (size_t rank = 0; rank < green.size(); ++rank) {
    green[rank] = list[static_cast<size_t>(candidates.id(rank))];
  }
  return green;
}

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.watermark_bias;
  if (input.context.tokens.size() < static_cast<size_t>(input.settings.watermark_context)) return;
  const std::vector<bool> green = green_of(input, candidates);
  std::vector<double> logits(candidates.logits().begin(), candidates.logits().end());
  for (size_t rank = 0; rank < green.size(); ++rank) {
    if (!green[rank]) continue;
    report.threshold += candidates.probability(rank);
    logits[rank] += report.setting;
    ++report.changed;
  }
  candidates.set_logits(std::move(logits));
}

std::string summary(const StageReport& report) {
  return fmt::format("{} of {} green ({:.1f} %): {} {:+g}", report.changed, report.entered,
                     100 * report.threshold, report.changed == 1 ? "logit" : "logits", report.setting);
}

}  // namespace

constinit const StageRow kWatermarkStage{
    .id = StageId::kWatermark,
    .name = "watermark",
    .group = StageGroup::kWatermark,
    .settings = kSettings,
    .run = run,
    .summary = summary,
    .reason = no_reason,
};

}  // namespace pellucid::sampling
