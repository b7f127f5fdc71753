#include "sampling/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "sampling/registry.h"

namespace pellucid::sampling {
namespace {

Error refused(std::string_view name, std::string why) {
  return {ErrorCode::kUsage, fmt::format("setting {}", name), std::move(why)};
}

std::string range_text(const SettingRow& setting) {
  if (setting.smallest_positive > 0) {
    return fmt::format("0, or between {} and {}", setting.smallest_positive, setting.maximum);
  }
  return fmt::format("between {} and {}", setting.minimum, setting.maximum);
}

std::string quoted(std::string_view text) {
  constexpr size_t kLongest = 40;
  return fmt::format("'{}{}'", text.substr(0, kLongest), text.size() > kLongest ? "..." : "");
}

bool in_range(double value, const SettingRow& setting) {
  if (value > 0 && value < setting.smallest_positive) return false;
  return value >= setting.minimum && value <= setting.maximum;  // false for NaN
}

/// The whole of `text` as a number of this type.
template <typename Number>
Result<Number> parse(const SettingRow& setting, std::string_view text) {
  Number number{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure == std::errc::result_out_of_range) {
    return refused(setting.name, fmt::format("{} is not {}", quoted(text), range_text(setting)));
  }
  if (failure != std::errc() || end != text.data() + text.size()) {
    const std::string_view kind = std::is_integral_v<Number> ? "a whole number" : "a number";
    return refused(setting.name,
                   fmt::format("{} is not {}; it must be {}", quoted(text), kind, range_text(setting)));
  }
  return number;
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
                     fmt::format("{} is not a stage; the stages are {}", quoted(name), stage_names()));
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

Result<void> check_value(const Settings& settings, const SettingRow& setting) {
  if (in_range(value(settings, setting), setting)) return {};
  return refused(setting.name,
                 fmt::format("{} is not {}", value_text(settings, setting), range_text(setting)));
}

}  // namespace

std::vector<StageId> default_order() {
  std::vector<StageId> order;
  for (const StageRow& stage : stages()) order.push_back(stage.id);
  return order;
}

Result<void> set(Settings& settings, std::string_view name, std::string_view text) {
  const std::string_view bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
  if (bare == "order") {
    PELLUCID_TRY(std::vector<StageId> order, parse_order(text));
    PELLUCID_CHECK(check_order(order));
    settings.order = std::move(order);
    return {};
  }
  const SettingRow* setting = find_setting(name);
  if (setting == nullptr) return refused(quoted(name), "there is no such setting");
  return std::visit(
      [&](auto field) -> Result<void> {
        Settings changed = settings;
        PELLUCID_TRY(changed.*field,
                     parse<std::remove_reference_t<decltype(changed.*field)>>(*setting, text));
        PELLUCID_CHECK(check_value(changed, *setting));
        settings = std::move(changed);
        return {};
      },
      setting->field);
}

Result<void> check(const Settings& settings) {
  for (const StageRow& stage : stages()) {
    for (const SettingRow& setting : stage.settings) PELLUCID_CHECK(check_value(settings, setting));
  }
  return check_order(settings.order);
}

bool greedy(const Settings& settings) {
  return std::any_of(settings.order.begin(), settings.order.end(),
                     [&](StageId id) { return row(id).at_most(settings) == 1; });
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
