#include "sampling/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "sampling/registry.h"

namespace pellucid::sampling {
namespace {

Error refused(std::string_view name, std::string why) {
  return {ErrorCode::kUsage, fmt::format("setting {}", name), std::move(why)};
}

std::string stage_names() {
  std::string names;
  for (const StageRow& stage : stages()) {
    if (!names.empty()) names += ", ";
    names += stage.name;
  }
  return names;
}

Result<std::vector<StageId>> parse_order(std::string_view text) {
  std::vector<StageId> order;
  while (!text.empty()) {
    const size_t length = std::min(text.find(','), text.size());
    const std::string_view name = text.substr(0, length);
    const StageRow* stage = find_stage(name);
    if (stage == nullptr) {
      return refused("order",
                     fmt::format("{} is not a stage; the stages are {}", in_quotes(name), stage_names()));
    }
    order.push_back(stage->id);
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return order;
}

Result<void> check_order(const std::vector<StageId>& order) {
  for (auto stage = order.begin(); stage != order.end(); ++stage) {
    if (static_cast<size_t>(*stage) >= stages().size()) return refused("order", "it holds an unknown stage");
    if (std::find(order.begin(), stage, *stage) != stage) {
      return refused("order", fmt::format("{} is in it twice", row(*stage).name));
    }
  }
  return {};
}

/// The setting of a structure for the output; where there are two, the first is paired with the second.
Result<void> check_structure(const Settings& settings) {
  const StageRow& stage = row(StageId::kGrammar);
  const SettingRow* first = nullptr;
  for (const SettingRow& setting : stage.settings) {
    if (value(settings, setting) == setting.identity) continue;
    if (first != nullptr) {
      return refused(setting.name,
                     fmt::format("{} is set, too, and the output can be of one structure only", first->name));
    }
    first = &setting;
  }
  if (first == nullptr || std::ranges::find(settings.order, stage.id) != settings.order.end()) return {};
  return refused("order", fmt::format("it leaves out {}, the stage of {}", stage.name, first->name));
}

/// A text that went back must not choose again what led it there.
Result<void> check_bans(const Settings& settings) {
  const StageRow& stage = row(StageId::kPhraseBan);
  if (!bans_phrases(settings) || std::ranges::find(settings.order, stage.id) != settings.order.end())
    return {};
  return refused("order",
                 fmt::format("it leaves out {}, the stage of {}", stage.name, stage.settings.front().name));
}

/// What guidance makes of the logits is what the other stages work on.
Result<void> check_guidance(const Settings& settings) {
  const StageRow& stage = row(StageId::kGuidance);
  if (is_identity(settings, stage)) return {};
  if (!settings.order.empty() && settings.order.front() == stage.id) return {};
  return refused("order", fmt::format("{}, the stage of guidance_scale, has to be the first", stage.name));
}

}  // namespace

Result<void> check_heeded(const Settings& settings, std::string_view name) {
  const SettingRow* setting = find_setting(name);
  for (const StageRow& stage : stages()) {
    const bool owns =
        std::ranges::any_of(stage.settings, [&](const SettingRow& one) { return &one == setting; });
    if (!owns || is_identity(settings, stage)) continue;
    if (std::ranges::find(settings.order, stage.id) != settings.order.end()) continue;
    return refused("order", fmt::format("it leaves out {}, the stage of {}", stage.name, setting->name));
  }
  return {};
}

bool is_structured(const Settings& settings) {
  const std::span<const SettingRow> rows = row(StageId::kGrammar).settings;
  return std::ranges::any_of(
      rows, [&](const SettingRow& setting) { return value(settings, setting) != setting.identity; });
}

bool bans_phrases(const Settings& settings) { return !settings.ban_phrases.empty(); }

bool is_guided(const Settings& settings) { return !is_identity(settings, row(StageId::kGuidance)); }

std::vector<StageId> default_order() {
  std::vector<StageId> order;
  for (const StageRow& stage : stages()) order.push_back(stage.id);
  return order;
}

Result<void> set(Settings& settings, std::string_view name, std::string_view text) {
  const std::string_view bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
  if (bare == "order" || bare == "samplers") {
    PELLUCID_TRY(std::vector<StageId> order, parse_order(text));
    PELLUCID_CHECK(check_order(order));
    settings.order = std::move(order);
    return {};
  }
  const SettingRow* setting = find_setting(name);
  if (setting == nullptr) return refused(in_quotes(name), "there is no such setting");
  return set_value(settings, *setting, text);
}

Result<void> check(const Settings& settings) {
  for (const StageRow& stage : stages()) {
    for (const SettingRow& setting : stage.settings) PELLUCID_CHECK(check_value(settings, setting));
  }
  PELLUCID_CHECK(check_order(settings.order));
  PELLUCID_CHECK(check_guidance(settings));
  PELLUCID_CHECK(check_bans(settings));
  return check_structure(settings);
}

bool greedy(const Settings& settings) {
  return std::any_of(settings.order.begin(), settings.order.end(), [&](StageId id) {
    const StageRow& stage = row(id);
    if (stage.enough == nullptr || is_identity(settings, stage)) return false;
    const Enough enough = stage.enough(settings);
    return enough.best == 1 && !enough.ties;
  });
}

std::string to_string(const Settings& settings) {
  std::string text;
  for (const StageRow& stage : stages()) {
    for (const SettingRow& setting : stage.settings) {
      fmt::format_to(std::back_inserter(text), "{}={} ", setting.name, value_text(settings, setting));
    }
  }
  return text + "order=" + order_text(settings.order);
}

std::string order_text(const std::vector<StageId>& order) {
  std::string text;
  for (const StageId id : order) {
    if (!text.empty()) text += ',';
    text += row(id).name;
  }
  return text;
}

}  // namespace pellucid::sampling
