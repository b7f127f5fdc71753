#include "base/text.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace pellucid {
namespace {

struct CodePoint {
  char32_t value;
  size_t bytes;  // 0 where the text does not start with well-formed UTF-8
};

/// The first code point of a non-empty text (Unicode standard, table 3-7: no overlong forms, no surrogates).
CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1};
  const size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < length) return {0, 0};
  char32_t value = byte(0) & (0xFFU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    value = value << 6 | (byte(i) & 0x3FU);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kSmallest[length] || value > 0x10FFFF || surrogate) return {0, 0};
  return {value, length};
}

/// Line and paragraph separators, and the marks that reorder what is displayed (Unicode annex 9).
bool reorders_or_breaks(char32_t c) {
  return c == 0x2028 || c == 0x2029 || c == 0x200E || c == 0x200F || c == 0x061C ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

void append_escape(std::string& out, char32_t c) {
  switch (c) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      fmt::format_to(std::back_inserter(out), "\\{}{:0{}x}", c < 0x100 ? 'x' : 'u', static_cast<uint32_t>(c),
                     c < 0x100 ? 2 : 4);
  }
}

}  // namespace

std::string printable(std::string_view text, size_t max_characters) {
  std::string out;
  size_t printed = 0;
  for (size_t at = 0; at < text.size(); ++printed) {
    if (printed == max_characters) return out + "...";
    const CodePoint c = first_code_point(text.substr(at));
    if (c.bytes == 0) {
      append_escape(out, static_cast<uint8_t>(text[at++]));
      continue;
    }
    if (c.value < 0x20 || (c.value >= 0x7F && c.value < 0xA0) || reorders_or_breaks(c.value)) {
      append_escape(out, c.value);
    } else {
      out += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  return out;
}

std::string in_quotes(std::string_view text, size_t max_characters) {
  return fmt::format("'{}'", printable(text, max_characters));
}

}  // namespace pellucid
