#include "trace/fields.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/text.h"

namespace pellucid::trace {
namespace {

namespace json = boost::json;

const json::object& no_members() {
  static const json::object kNone;
  return kNone;
}
const json::value& nothing() {
  static const json::value kNothing;
  return kNothing;
}

std::optional<double> number_of(const json::value& value) {
  if (!value.is_number()) return std::nullopt;
  return value.to_number<double>();
}

/// A value as a message shows it.
std::string shown(const json::value& value) {
  constexpr size_t kLongest = 40;
  const std::string text = json::serialize(value);
  if (text.size() <= kLongest) return printable(text);
  return value.is_object() ? "an object" : value.is_array() ? "a list" : "a long text";
}

}  // namespace

std::optional<uint64_t> whole_of(const json::value& value) {
  if (value.is_uint64()) return value.get_uint64();
  if (value.is_int64() && value.get_int64() >= 0) return static_cast<uint64_t>(value.get_int64());
  return std::nullopt;
}

Fields::Fields(const json::value& value) : Fields(value, "") {}

Fields::Fields(const json::value& value, std::string where)
    : where_(std::move(where)), members_(value.is_object() ? &value.get_object() : &no_members()) {
  if (!value.is_object()) refuse(fmt::format("{} is no object", where_.empty() ? "it" : where_));
}

Result<void> Fields::status() const {
  if (ok()) return {};
  return Error{ErrorCode::kUsage, "a record", problem_};
}

void Fields::refuse(std::string problem) {
  if (ok()) problem_ = std::move(problem);
}

bool Fields::has(std::string_view name) const { return members_->contains(name); }

std::string Fields::path(std::string_view name) const {
  return where_.empty() ? std::string(name) : fmt::format("{}.{}", where_, name);
}

const json::value& Fields::value(std::string_view name) {
  const json::value* found = members_->if_contains(name);
  if (found == nullptr) refuse(fmt::format("{} is missing", path(name)));
  return found == nullptr ? nothing() : *found;
}

void Fields::wrong(std::string_view name, std::string_view wanted) {
  if (has(name)) refuse(fmt::format("{} is {}, not {}", path(name), shown(members_->at(name)), wanted));
}

uint64_t Fields::whole(std::string_view name, uint64_t least, uint64_t most) {
  const std::optional<uint64_t> number = whole_of(value(name));
  if (number && *number >= least && *number <= most) return *number;
  wrong(name, fmt::format("a whole number between {} and {}", least, most));
  return least;
}

int Fields::integer(std::string_view name, int least, int most) {
  return static_cast<int>(whole(name, static_cast<uint64_t>(least), static_cast<uint64_t>(most)));
}

double Fields::number(std::string_view name, double least, double most) {
  const std::optional<double> number = number_of(value(name));
  if (number && *number >= least && *number <= most) return *number;
  wrong(name, fmt::format("a number between {} and {}", least, most));
  return least;
}

std::optional<double> Fields::number_or_null(std::string_view name) {
  const json::value& held = value(name);
  if (held.is_null()) return std::nullopt;
  const std::optional<double> number = number_of(held);
  if (!number) wrong(name, "a number or null");
  return number;
}

bool Fields::boolean(std::string_view name) {
  const json::value& held = value(name);
  if (!held.is_bool()) wrong(name, "true or false");
  return held.is_bool() && held.get_bool();
}

std::string Fields::text(std::string_view name) {
  const json::value& held = value(name);
  if (held.is_string()) return std::string(held.get_string());
  wrong(name, "a text");
  return {};
}

std::string Fields::text_or_null(std::string_view name) {
  return value(name).is_null() ? std::string() : text(name);
}

uint64_t Fields::hash(std::string_view name) {
  const std::string digits = text(name);
  uint64_t hash = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), hash, 16);
  if (status != std::errc() || end != digits.data() + digits.size() || digits.size() != 16) {
    wrong(name, "16 hexadecimal digits");
  }
  return hash;
}

std::vector<int32_t> Fields::ids(std::string_view name, int n_vocab) {
  std::vector<int32_t> ids;
  for (const json::value& entry : list(name)) {
    const std::optional<uint64_t> id = whole_of(entry);
    if (!id || *id >= static_cast<uint64_t>(n_vocab)) {
      refuse(fmt::format("{}[{}] is {}, not a token of 0 .. {}", path(name), ids.size(), shown(entry),
                         n_vocab - 1));
      return {};
    }
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

std::string Fields::bytes(std::string_view name) {
  const std::string listed = fmt::format("{}_bytes", name);
  if (!has(listed)) return text(name);
  constexpr int kBytes = 256;
  std::string bytes;
  for (const int32_t byte : ids(listed, kBytes)) bytes += static_cast<char>(byte);
  return bytes;
}

std::vector<std::string> Fields::texts(std::string_view name) {
  std::vector<std::string> texts;
  for (const json::value& entry : list(name)) {
    if (!entry.is_string()) {
      refuse(fmt::format("{}[{}] is {}, not a text", path(name), texts.size(), shown(entry)));
      return {};
    }
    texts.emplace_back(entry.get_string());
  }
  return texts;
}

const json::array& Fields::list(std::string_view name) {
  static const json::array kNone;
  const json::value& held = value(name);
  if (held.is_array()) return held.get_array();
  wrong(name, "a list");
  return kNone;
}

const json::object& Fields::object(std::string_view name) {
  const json::value& held = value(name);
  if (held.is_object()) return held.get_object();
  wrong(name, "an object");
  return no_members();
}

}  // namespace pellucid::trace
