#include "sampling/registry.h"

#include <algorithm>
#include <array>
#include <string>

#include "sampling/stages/stages.h"

namespace pellucid::sampling {
namespace {

/// "--top-k" and "top_k" are one name.
std::string canonical(std::string_view name) {
  while (name.starts_with('-')) name.remove_prefix(1);
  std::string text(name);
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

bool has_name(const SettingRow& setting, std::string_view wanted) {
  return setting.name == wanted || std::ranges::find(setting.aliases, wanted) != setting.aliases.end();
}

}  // namespace

std::span<const StageRow> stages() {
  static const std::array kRows{
      kGuidanceStage,
      kLogitBiasStage,
      kBadWordsStage,
      kAllowedTokensStage,
      kSuppressTokensStage,
      kBeginSuppressStage,
      kForcedTokensStage,
      kMinNewTokensStage,
      kGrammarStage,
      kPhraseBanStage,
      kRepetitionPenaltyStage,
      kFrequencyPenaltyStage,
      kPresencePenaltyStage,
      kNoRepeatNgramStage,
      kDryStage,
      kLengthDecayStage,
      kTemperatureStage,
      kDynamicTemperatureStage,
      kTopKStage,
      kTopPStage,
      kMinPStage,
      kTypicalPStage,
      kEpsilonCutoffStage,
      kEtaCutoffStage,
      kTopHStage,
      kTopNSigmaStage,
      kTopAStage,
      kXtcStage,
      kMirostatStage,
      kAdaptivePStage,
      kWatermarkStage,
  };
  return kRows;
}

std::string_view group_title(StageGroup group) {
  static constexpr std::array<std::string_view, 6> kTitles{
      "Sampling",          "Sampling: truncation", "Sampling: penalties", "Sampling: constraints",
      "Structured output", "Sampling: watermark"};
  return kTitles[static_cast<size_t>(group)];
}

const StageRow& row(StageId id) { return stages()[static_cast<size_t>(id)]; }

const StageRow* find_stage(std::string_view name) {
  const std::string wanted = canonical(name);
  const auto found = std::ranges::find(stages(), wanted, &StageRow::name);
  return found == stages().end() ? nullptr : &*found;
}

const SettingRow* find_setting(std::string_view name) {
  const std::string wanted = canonical(name);
  if (wanted.empty()) return nullptr;  // "" fills unused aliases
  for (const StageRow& stage : stages()) {
    for (const SettingRow& setting : stage.settings) {
      if (has_name(setting, wanted)) return &setting;
    }
  }
  return nullptr;
}

bool is_identity(const Settings& settings, const StageRow& stage) {
  if (stage.on != nullptr) return !stage.on(settings);
  const SettingRow& first = stage.settings.front();
  return value(settings, first) == first.identity;
}

}  // namespace pellucid::sampling
