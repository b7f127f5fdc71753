#include "sampling/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "sampling/stages/stages.h"

namespace pellucid::sampling {
namespace {

constexpr double kMaxInt = std::numeric_limits<int32_t>::max();

// Within these bounds no quotient of a float32 logit leaves the range of float64.
constexpr double kLowestTemperature = 1e-9;
constexpr double kHighestTemperature = 1e9;

constexpr std::array kTemperatureSettings{SettingRow{
    .name = "temperature",
    .aliases = {"temp", ""},
    .field = &Settings::temperature,
    .minimum = 0,
    .maximum = kHighestTemperature,
    .smallest_positive = kLowestTemperature,
    .identity = 1,
    .help = "divide logits by this: below 1 sharper, above 1 flatter; 0 always takes the most likely token",
}};

constexpr std::array kTopKSettings{SettingRow{
    .name = "top_k",
    .aliases = {"", ""},
    .field = &Settings::top_k,
    .minimum = 0,
    .maximum = kMaxInt,
    .smallest_positive = 0,
    .identity = 0,
    .help = "keep this many of the most likely tokens; 0 is off",
}};

constexpr std::array kTopPSettings{SettingRow{
    .name = "top_p",
    .aliases = {"", ""},
    .field = &Settings::top_p,
    .minimum = 0,
    .maximum = 1,
    .smallest_positive = 0,
    .identity = 1,
    .help = "keep the fewest most likely tokens whose probabilities reach this; 1 is off",
}};

constexpr std::array kStages{
    StageRow{
        .id = StageId::kTemperature,
        .name = "temperature",
        .settings = kTemperatureSettings,
        .pointwise = true,
        .at_most = [](const Settings& s) -> size_t { return s.temperature == 0 ? 1 : 0; },
        .run = temperature,
        .summary = temperature_summary,
        .reason = temperature_reason,
    },
    StageRow{
        .id = StageId::kTopK,
        .name = "top_k",
        .settings = kTopKSettings,
        .pointwise = false,
        .at_most = [](const Settings& s) -> size_t { return static_cast<size_t>(s.top_k); },
        .run = top_k,
        .summary = top_k_summary,
        .reason = top_k_reason,
    },
    StageRow{
        .id = StageId::kTopP,
        .name = "top_p",
        .settings = kTopPSettings,
        .pointwise = false,
        .at_most = [](const Settings&) -> size_t { return 0; },
        .run = top_p,
        .summary = top_p_summary,
        .reason = top_p_reason,
    },
};

constexpr bool indexed_by_id() {
  for (size_t i = 0; i < kStages.size(); ++i) {
    if (static_cast<size_t>(kStages[i].id) != i) return false;
  }
  return true;
}
static_assert(indexed_by_id());

/// "--top-k" and "top_k" are one name.
std::string canonical(std::string_view name) {
  while (name.starts_with('-')) name.remove_prefix(1);
  std::string text(name);
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

}  // namespace

std::span<const StageRow> stages() { return kStages; }

const StageRow& row(StageId id) { return kStages[static_cast<size_t>(id)]; }

const StageRow* find_stage(std::string_view name) {
  const std::string wanted = canonical(name);
  const auto* found = std::find_if(kStages.begin(), kStages.end(),
                                   [&](const StageRow& stage) { return stage.name == wanted; });
  return found == kStages.end() ? nullptr : found;
}

const SettingRow* find_setting(std::string_view name) {
  const std::string wanted = canonical(name);
  if (wanted.empty()) return nullptr;  // "" fills unused aliases
  for (const StageRow& stage : kStages) {
    for (const SettingRow& setting : stage.settings) {
      if (setting.name == wanted || std::ranges::find(setting.aliases, wanted) != setting.aliases.end()) {
        return &setting;
      }
    }
  }
  return nullptr;
}

double value(const Settings& settings, const SettingRow& setting) {
  return std::visit([&](auto field) { return static_cast<double>(settings.*field); }, setting.field);
}

std::string value_text(const Settings& settings, const SettingRow& setting) {
  return std::visit([&](auto field) { return fmt::format("{}", settings.*field); }, setting.field);
}

bool is_identity(const Settings& settings, const StageRow& stage) {
  const SettingRow& first = stage.settings.front();
  return value(settings, first) == first.identity;
}

}  // namespace pellucid::sampling
