#include "sampling/setting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

#include "base/text.h"

namespace pellucid::sampling {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

template <typename T>
concept Number = std::is_same_v<T, double> || std::is_same_v<T, int32_t>;

Error refused(const SettingRow& setting, std::string_view value) {
  return {ErrorCode::kUsage, fmt::format("setting {}", setting.name),
          fmt::format("{} is not {}", in_quotes(value), range_text(setting))};
}

bool in_range(double value, const SettingRow& setting) {
  if (value > 0 && value < setting.smallest_positive) return false;
  return value >= setting.minimum && value <= setting.maximum;  // false for NaN
}

/// The whole of `text` as a number.
template <Number T>
std::optional<T> parse_number(std::string_view text) {
  T number{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The parts between separators; none of an empty text.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t length = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, length));
    if (length + 1 == text.size()) parts.emplace_back();  // "1," has an empty second part
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return parts;
}

std::optional<TokenIds> parse_ids(std::string_view text, char separator) {
  TokenIds ids;
  for (const std::string_view part : split(text, separator)) {
    const auto id = parse_number<int32_t>(part);
    if (!id) return std::nullopt;
    ids.push_back(*id);
  }
  return ids;
}

std::optional<std::vector<TokenIds>> parse_sequences(std::string_view text) {
  std::vector<TokenIds> sequences;
  for (const std::string_view part : split(text, ',')) {
    auto ids = parse_ids(part, '+');
    if (!ids) return std::nullopt;
    sequences.push_back(std::move(*ids));
  }
  return sequences;
}

std::optional<std::vector<SequenceBias>> parse_biases(std::string_view text) {
  std::vector<SequenceBias> biases;
  for (const std::string_view part : split(text, ',')) {
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    auto ids = parse_ids(part.substr(0, equals), '+');
    const auto bias = parse_number<double>(part.substr(equals + 1));
    if (!ids || !bias) return std::nullopt;
    biases.push_back({std::move(*ids), *bias});
  }
  return biases;
}

constexpr std::string_view kEscaped = "\n\t ,\\";
constexpr std::string_view kEscapes = "nts,\\";

std::optional<std::vector<std::string>> parse_texts(std::string_view text) {
  std::vector<std::string> texts;
  if (!text.empty()) texts.emplace_back();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      texts.emplace_back();
    } else if (text[i] == '\\') {
      const size_t which = ++i < text.size() ? kEscapes.find(text[i]) : std::string_view::npos;
      if (which == std::string_view::npos) return std::nullopt;
      texts.back() += kEscaped[which];
    } else {
      texts.back() += text[i];
    }
  }
  return texts;
}

template <typename T>
std::optional<T> parse(const SettingRow& setting, std::string_view text) {
  if constexpr (Number<T>) {
    return parse_number<T>(text);
  } else if constexpr (std::is_enum_v<T>) {
    const auto found = std::ranges::find(setting.choices, text);
    if (found == setting.choices.end()) return std::nullopt;
    return static_cast<T>(found - setting.choices.begin());
  } else if constexpr (std::is_same_v<T, TokenIds>) {
    return parse_ids(text, ',');
  } else if constexpr (std::is_same_v<T, std::vector<TokenIds>>) {
    return parse_sequences(text);
  } else if constexpr (std::is_same_v<T, std::vector<SequenceBias>>) {
    return parse_biases(text);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return std::string(text);
  } else {
    return parse_texts(text);
  }
}

std::string text_of(const TokenIds& ids) { return fmt::format("{}", fmt::join(ids, "+")); }
std::string text_of(const SequenceBias& bias) { return fmt::format("{}={}", text_of(bias.ids), bias.bias); }
std::string text_of(const std::string& text) { return escaped_text(text); }

template <typename T>
std::string print(const SettingRow& setting, const T& value) {
  if constexpr (Number<T>) {
    return fmt::format("{}", value);
  } else if constexpr (std::is_enum_v<T>) {
    const auto index = static_cast<size_t>(value);
    return index < setting.choices.size() ? std::string(setting.choices[index]) : std::to_string(index);
  } else if constexpr (std::is_same_v<T, TokenIds>) {
    return fmt::format("{}", fmt::join(value, ","));
  } else if constexpr (std::is_same_v<T, std::string>) {
    return value;
  } else {
    std::vector<std::string> parts;
    parts.reserve(value.size());
    for (const auto& entry : value) parts.push_back(text_of(entry));
    return fmt::format("{}", fmt::join(parts, ","));
  }
}

bool valid_ids(const TokenIds& ids) {
  return std::ranges::all_of(ids, [](int32_t id) { return id >= 0; });
}

template <typename T>
bool valid(const SettingRow& setting, const T& value) {
  if constexpr (Number<T>) {
    return in_range(static_cast<double>(value), setting);
  } else if constexpr (std::is_enum_v<T>) {
    return static_cast<size_t>(value) < setting.choices.size();
  } else if constexpr (std::is_same_v<T, TokenIds>) {
    return valid_ids(value);
  } else if constexpr (std::is_same_v<T, std::vector<TokenIds>>) {
    return std::ranges::all_of(value, [](const TokenIds& ids) { return !ids.empty() && valid_ids(ids); });
  } else if constexpr (std::is_same_v<T, std::vector<SequenceBias>>) {
    return std::ranges::all_of(value, [&](const SequenceBias& one) {
      return !one.ids.empty() && valid_ids(one.ids) &&
             (one.bias == kMinusInfinity || in_range(one.bias, setting));
    });
  } else if constexpr (std::is_same_v<T, std::string>) {
    return true;  // what it means is not known here
  } else {
    return std::ranges::none_of(value, &std::string::empty);
  }
}

/// Calls f(value) with the value of the setting.
template <typename F>
auto with_value(const Settings& settings, const SettingRow& setting, const F& f) {
  return std::visit([&](auto field) { return f(settings.*field); }, setting.field);
}

int32_t highest_of(const TokenIds& ids) { return ids.empty() ? -1 : *std::ranges::max_element(ids); }

}  // namespace

std::string escaped_text(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const size_t which = kEscaped.find(c);
    if (which != std::string_view::npos) result += '\\';
    result += which == std::string_view::npos ? c : kEscapes[which];
  }
  return result;
}

double value(const Settings& settings, const SettingRow& setting) {
  return with_value(settings, setting, [](const auto& held) {
    using T = std::decay_t<decltype(held)>;
    if constexpr (Number<T> || std::is_enum_v<T>) {
      return static_cast<double>(held);
    } else {
      return static_cast<double>(held.size());
    }
  });
}

std::string value_text(const Settings& settings, const SettingRow& setting) {
  return with_value(settings, setting, [&](const auto& held) { return print(setting, held); });
}

Result<void> check_value(const Settings& settings, const SettingRow& setting) {
  if (with_value(settings, setting, [&](const auto& held) { return valid(setting, held); })) return {};
  return refused(setting, value_text(settings, setting));
}

Result<void> set_value(Settings& settings, const SettingRow& setting, std::string_view text) {
  return std::visit(
      [&](auto field) -> Result<void> {
        auto parsed = parse<std::decay_t<decltype(settings.*field)>>(setting, text);
        if (!parsed || !valid(setting, *parsed)) return refused(setting, text);
        settings.*field = std::move(*parsed);
        return {};
      },
      setting.field);
}

std::string range_text(const SettingRow& setting) {
  const Settings none;
  return with_value(none, setting, [&](const auto& held) -> std::string {
    using T = std::decay_t<decltype(held)>;
    if constexpr (Number<T>) {
      const std::string_view kind = std::is_same_v<T, double> ? "a number" : "a whole number";
      if (setting.smallest_positive > 0) {
        return fmt::format("0, or {} between {} and {}", kind, setting.smallest_positive, setting.maximum);
      }
      return fmt::format("{} between {} and {}", kind, setting.minimum, setting.maximum);
    } else if constexpr (std::is_enum_v<T>) {
      return fmt::format("one of {}", fmt::join(setting.choices, ", "));
    } else if constexpr (std::is_same_v<T, TokenIds>) {
      return "a list of token ids, such as 15,27";
    } else if constexpr (std::is_same_v<T, std::vector<TokenIds>>) {
      return "a list of token ids or sequences of them, such as 15,4+27";
    } else if constexpr (std::is_same_v<T, std::vector<SequenceBias>>) {
      return fmt::format("a list such as 15=-1.5,4+27=-inf, with numbers between {} and {} or -inf",
                         setting.minimum, setting.maximum);
    } else if constexpr (std::is_same_v<T, std::string>) {
      return setting.may_be_file ? "a text, or @FILE on a command line" : "a text";
    } else {
      return "a list of texts, such as \\n,:";
    }
  });
}

int32_t highest_id(const Settings& settings, const SettingRow& setting) {
  return with_value(settings, setting, [](const auto& held) {
    using T = std::decay_t<decltype(held)>;
    int32_t highest = -1;
    if constexpr (std::is_same_v<T, TokenIds>) {
      highest = highest_of(held);
    } else if constexpr (std::is_same_v<T, std::vector<TokenIds>>) {
      for (const TokenIds& ids : held) highest = std::max(highest, highest_of(ids));
    } else if constexpr (std::is_same_v<T, std::vector<SequenceBias>>) {
      for (const SequenceBias& one : held) highest = std::max(highest, highest_of(one.ids));
    }
    return highest;
  });
}

}  // namespace pellucid::sampling
