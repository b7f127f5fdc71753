// What the terminal can show: whether to colour, and how wide it is.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pellucid::cli {

enum class ColourChoice { kAuto, kAlways, kNever };

/// What the policy looks at.
struct TerminalFacts {
  bool is_terminal = false;
  std::optional<std::string> no_color;  // environment variables, where they are set
  std::optional<std::string> term;
};

TerminalFacts terminal_facts(int descriptor);

/// The user's flag, then NO_COLOR (set and not empty: never; no-color.org), then: a terminal whose TERM is
/// set and isn't "dumb".
bool use_colour(ColourChoice choice, const TerminalFacts& facts);

/// Columns of a report where none are asked for: 80, or less in a terminal that is narrower (at least 40).
/// Never more: lines stay readable, and one width gives one text.
size_t report_width(int descriptor);

/// `text` in a style of ECMA-48, e.g. "1" bold, "2" faint, "32" green; as it is where `colour` is false.
std::string styled(std::string_view text, std::string_view style, bool colour);

}  // namespace pellucid::cli
