// Strings that come from a file, made safe to print.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pellucid::gguf {

inline constexpr size_t kWhole = static_cast<size_t>(-1);

/// `text` on one line, for a terminal: control characters, characters that reorder or break lines, and bytes
/// that are not UTF-8 become escapes (\n, \x1b, \u202e). Where more than `max_characters` would be printed,
/// it is cut and ends in "...".
std::string printable(std::string_view text, size_t max_characters = kWhole);

/// printable() in single quotes, short enough for an error message.
std::string quoted(std::string_view text);

}  // namespace pellucid::gguf
