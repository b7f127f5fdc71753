// Strings that somebody else wrote, made safe to print.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pellucid {

inline constexpr size_t kWhole = static_cast<size_t>(-1);

/// `text` on one line, for a terminal: control characters, characters that reorder or break lines, and bytes
/// that are not UTF-8 become escapes (\n, \x1b, \u202e). Where more than `max_characters` would be printed,
/// it is cut and ends in "...".
std::string printable(std::string_view text, size_t max_characters = kWhole);

/// printable() in single quotes, as an error tells a value: what Error asks for is one line. A path is told
/// whole (kWhole). Not `quoted`: where <iomanip> is known, a std::string would find that of std.
std::string in_quotes(std::string_view text, size_t max_characters = 80);

}  // namespace pellucid
