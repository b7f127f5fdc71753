// Guidance: logits become what leads the text away from one without its prompt (guidance.h). First in the
// order: the other stages and the draw know these logits only.
#include "sampling/guidance.h"

#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr std::array kSettings{SettingRow{
    .name = "guidance_scale",
    .field = &Settings::guidance_scale,
    .minimum = 0,
    .maximum = 100,
    .identity = 1,
    .help = "how much likelier the prompt makes a token counts this often; above 1 away from the negative "
            "prompt, below 1 towards it; 1 is off",
}};

Result<std::vector<float>> remake(const StageInput& input, std::span<const float> logits) {
  return guided_logits(logits, input.context.unconditional, input.settings.guidance_scale);
}

std::string summary(const StageReport& report) {
  return fmt::format("u + {} (c - u), of the log-probabilities with the prompt and without", report.setting);
}

}  // namespace

constinit const StageRow kGuidanceStage{
    .id = StageId::kGuidance,
    .name = "guidance",
    .group = StageGroup::kBasic,
    .settings = kSettings,
    .remake = remake,
    .summary = summary,
    .reason = [](const StageReport&, size_t) { return std::string("one of the two texts rules it out"); },
};

}  // namespace pellucid::sampling
