#include "trace/settings_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "base/text.h"
#include "sampling/registry.h"

namespace pellucid::trace {
namespace {

namespace json = boost::json;
using sampling::SequenceBias;
using sampling::TokenIds;

template <typename T>
json::value to_json(const sampling::SettingRow& row, const sampling::Settings& settings, const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return json::string(sampling::value_text(settings, row));
  } else if constexpr (std::is_same_v<T, std::vector<SequenceBias>>) {
    json::object object;
    for (const SequenceBias& one : value) {
      const std::string key = fmt::format("{}", fmt::join(one.ids, "+"));
      object[key] = std::isinf(one.bias) ? json::value(nullptr) : json::value(one.bias);
    }
    return object;
  } else {
    return json::value_from(value);
  }
}

/// A number as it reads back; null is -infinity, as in settings_json().
std::optional<std::string> number_text(const json::value& value) {
  if (value.is_null()) return "-inf";
  if (value.is_int64()) return fmt::format("{}", value.get_int64());
  if (value.is_uint64()) return fmt::format("{}", value.get_uint64());
  if (value.is_double()) return fmt::format("{}", value.get_double());
  return std::nullopt;
}

/// An entry of a list, which isn't empty: an id, or a sequence of them, or a text.
std::optional<std::string> entry_text(const json::value& value) {
  if (value.is_string() && !value.get_string().empty()) {
    return sampling::escaped_text(std::string(value.get_string()));
  }
  if (!value.is_array()) return value.is_null() ? std::nullopt : number_text(value);
  if (value.get_array().empty()) return std::nullopt;
  std::vector<std::string> ids;
  for (const json::value& id : value.get_array()) {
    if (!id.is_int64()) return std::nullopt;
    ids.push_back(fmt::format("{}", id.get_int64()));
  }
  return fmt::format("{}", fmt::join(ids, "+"));
}

/// The form of the command line. A string is that already.
std::optional<std::string> text_of(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  std::vector<std::string> parts;
  if (value.is_array()) {
    for (const json::value& entry : value.get_array()) {
      const auto text = entry_text(entry);
      if (!text) return std::nullopt;
      parts.push_back(*text);
    }
    return fmt::format("{}", fmt::join(parts, ","));
  }
  if (!value.is_object()) return value.is_null() ? std::nullopt : number_text(value);
  for (const auto& [ids, bias] : value.get_object()) {
    const auto text = number_text(bias);
    if (!text) return std::nullopt;
    parts.push_back(fmt::format("{}={}", std::string_view(ids), *text));
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

/// A setting that is one text: another value than a string is meant as JSON, such as a schema.
bool is_text(std::string_view name) {
  const sampling::SettingRow* row = sampling::find_setting(name);
  return row != nullptr && std::holds_alternative<std::string sampling::Settings::*>(row->field);
}

}  // namespace

json::object settings_json(const sampling::Settings& settings) {
  json::object object;
  for (const sampling::StageRow& stage : sampling::stages()) {
    for (const sampling::SettingRow& row : stage.settings) {
      object[row.name] =
          std::visit([&](auto field) { return to_json(row, settings, settings.*field); }, row.field);
    }
  }
  json::array order;
  for (const sampling::StageId id : settings.order) order.emplace_back(sampling::row(id).name);
  object["order"] = std::move(order);
  return object;
}

Result<sampling::Settings> settings_from_json(const json::object& object, sampling::Settings settings) {
  for (const auto& [name, value] : object) {
    const std::optional<std::string> text =
        is_text(name) && !value.is_string() ? std::optional(json::serialize(value)) : text_of(value);
    if (!text) {
      return Error{ErrorCode::kUsage, fmt::format("setting {}", printable(name, 80)),
                   fmt::format("{} is not a value for it", in_quotes(json::serialize(value)))};
    }
    PELLUCID_CHECK(sampling::set(settings, name, *text));
  }
  PELLUCID_CHECK(sampling::check(settings));
  return settings;
}

}  // namespace pellucid::trace
