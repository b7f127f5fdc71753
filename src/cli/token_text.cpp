#include "cli/token_text.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <vector>

namespace pellucid::cli {
namespace {

constexpr std::string_view kEllipsis = "…";

/// One character of a text, or one byte that belongs to none.
struct Character {
  std::string_view bytes;
  int32_t code;  // -1 where the byte isn't UTF-8
};

Character next_character(std::string_view text) {
  utf8proc_int32_t code = -1;
  const auto* begin = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const utf8proc_ssize_t length = utf8proc_iterate(begin, static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (length <= 0) return {text.substr(0, 1), -1};
  return {text.substr(0, static_cast<size_t>(length)), code};
}

template <typename See>
void each_character(std::string_view text, const See& see) {
  while (!text.empty()) {
    const Character character = next_character(text);
    see(character);
    text.remove_prefix(character.bytes.size());
  }
}

bool is_printable(int32_t code) {
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:  // also what reorders text in a terminal
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

size_t width_of(int32_t code) { return static_cast<size_t>(std::max(0, utf8proc_charwidth(code))); }

std::string escaped(const Character& character) {
  switch (character.code) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    default:
      break;
  }
  if (character.code >= 0 && is_printable(character.code)) return std::string(character.bytes);
  std::string text;
  for (const char byte : character.bytes) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  return text;
}

/// A character as it is shown, and its columns.
struct Shown {
  std::string text;
  size_t width;
};

std::vector<Shown> shown(std::string_view bytes) {
  std::vector<Shown> all;
  each_character(bytes, [&](const Character& character) {
    std::string text = escaped(character);
    const size_t width = text == character.bytes ? width_of(character.code) : text.size();
    all.push_back({std::move(text), width});
  });
  return all;
}

/// As many of [begin, end) as fit `columns`, the ellipsis counted where some are left out.
template <typename Iterator>
std::vector<Shown> fitting(Iterator begin, Iterator end, size_t columns) {
  size_t total = 0;
  for (Iterator it = begin; it != end; ++it) total += it->width;
  if (total <= columns) return {begin, end};
  std::vector<Shown> kept;
  size_t width = 1;
  for (; begin != end && width + begin->width <= columns; ++begin) {
    width += begin->width;
    kept.push_back(*begin);
  }
  kept.push_back({std::string(kEllipsis), 1});
  return kept;
}

}  // namespace

size_t display_width(std::string_view text) {
  size_t width = 0;
  each_character(text, [&](const Character& character) {
    if (character.code >= 0) width += width_of(character.code);
  });
  return width;
}

std::string quoted_token(std::string_view bytes, size_t max_width) {
  // Every column holds at most a few bytes, but for combining marks, which a hostile label may pile up.
  const std::vector<Shown> all = shown(bytes.substr(0, 16 * max_width));
  std::string text = "\"";
  for (const Shown& one : fitting(all.begin(), all.end(), max_width - 2)) text += one.text;
  return text + '"';
}

std::string quoted_tail(std::string_view bytes, size_t max_width) {
  const size_t longest = 16 * max_width;
  if (bytes.size() > longest) {
    bytes.remove_prefix(bytes.size() - longest);
    // Not from the middle of a character.
    while (!bytes.empty() && (static_cast<unsigned char>(bytes.front()) & 0xC0) == 0x80)
      bytes.remove_prefix(1);
  }
  const std::vector<Shown> all = shown(bytes);
  const std::vector<Shown> kept = fitting(all.rbegin(), all.rend(), max_width - 2);
  std::string text = "\"";
  for (auto one = kept.rbegin(); one != kept.rend(); ++one) text += one->text;
  return text + '"';
}

std::string padded(std::string text, size_t width) {
  const size_t columns = display_width(text);
  if (columns < width) text.append(width - columns, ' ');
  return text;
}

bool is_utf8(std::string_view bytes) {
  bool good = true;
  each_character(bytes, [&](const Character& character) { good = good && character.code >= 0; });
  return good;
}

std::string replaced_utf8(std::string_view bytes) {
  std::string text;
  each_character(bytes, [&](const Character& character) {
    text += character.code >= 0 ? character.bytes : std::string_view("\xEF\xBF\xBD");
  });
  return text;
}

}  // namespace pellucid::cli
