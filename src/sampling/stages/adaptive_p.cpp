// Adaptive-p: prefers tokens near a target probability, and moves the target against the average of what was
// drawn (llama.cpp's adaptive_p, 2025). measure and threshold: the target of this step.
#include <algorithm>
#include <cmath>

#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr double kPeak = 5;  // logit at the target
constexpr double kSharpness = 10;
constexpr double kWidth = 0.3;  // distance of probability that counts as 1

constexpr std::array kSettings{
    SettingRow{
        .name = "adaptive_target",
        .field = &Settings::adaptive_target,
        .minimum = -1,
        .maximum = 1,
        .identity = -1,
        .help = "prefer tokens of about this probability, on average over the text; below 0 is off",
    },
    SettingRow{
        .name = "adaptive_decay",
        .field = &Settings::adaptive_decay,
        .minimum = 0,
        .maximum = 0.99,
        .identity = 0.9,
        .help = "how long the average remembers",
    },
};

/// Sum and weight of the probabilities drawn so far; at first as if the target had been met for ever.
std::pair<double, double> history(const Settings& s, const State& state) {
  return {state.adaptive_sum.value_or(s.adaptive_target / (1 - s.adaptive_decay)),
          state.adaptive_weight.value_or(1 / (1 - s.adaptive_decay))};
}

void run(const StageInput& input, Candidates& candidates, StageReport& report) {
  report.setting = input.settings.adaptive_target;
  const auto [sum, weight] = history(input.settings, input.state);
  const double target =
      std::clamp(weight == 0 ? report.setting : 2 * report.setting - sum / weight, 0.0, 1.0);
  report.measure = sum;
  report.threshold = target;
  std::vector<double> logits(candidates.size());
  for (size_t rank = 0; rank < logits.size(); ++rank) {
    const double p = candidates.probability(rank);
    const double distance = std::abs(p - target) / kWidth;
    logits[rank] = kPeak - kSharpness * distance * distance / (1 + distance);
    report.before.emplace_back(candidates.ids()[rank], p);
  }
  candidates.set_logits(std::move(logits));
}

void advance(const Settings& settings, const StageReport& report, const Draw& draw, State& state) {
  const auto [sum, weight] = history(settings, state);
  const auto found = std::ranges::find(report.before, draw.token, &std::pair<int32_t, double>::first);
  if (found == report.before.end()) return;
  state.adaptive_sum = found->second + settings.adaptive_decay * sum;
  state.adaptive_weight = 1 + settings.adaptive_decay * weight;
}

}  // namespace

constinit const StageRow kAdaptivePStage{
    .id = StageId::kAdaptiveP,
    .name = "adaptive_p",
    .group = StageGroup::kTruncation,
    .settings = kSettings,
    .on = [](const Settings& s) { return s.adaptive_target >= 0; },
    .run = run,
    .advance = advance,
    .summary =
        [](const StageReport& report) {
          return fmt::format("near {:.4f}, the target of this step", report.threshold);
        },
    .reason = no_reason,
};

}  // namespace pellucid::sampling
