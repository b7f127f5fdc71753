// Tokens as a terminal can show them: any bytes as one line of known width.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pellucid::cli {

/// Columns that well-formed UTF-8 without control characters takes in a terminal.
size_t display_width(std::string_view text);

/// `bytes` within double quotes: line breaks, tabs, quotes and backslashes escaped as in C, what is not UTF-8
/// or not printable as \xNN. Never wider than `max_width` columns (at least 4): what is too long is cut
/// before the closing quote and marked by an ellipsis.
std::string quoted_token(std::string_view bytes, size_t max_width);

/// The same for the end of a long text: cut after the opening quote.
std::string quoted_tail(std::string_view bytes, size_t max_width);

/// `text` and the spaces that make it `width` columns wide.
std::string padded(std::string text, size_t width);

bool is_utf8(std::string_view bytes);

/// `bytes` with what is not UTF-8 replaced by U+FFFD.
std::string replaced_utf8(std::string_view bytes);

}  // namespace pellucid::cli
