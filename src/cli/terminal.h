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

/// Columns of a report where none are asked for: 80, or fewer where `columns` (the variable COLUMNS; what is
/// not a number counts as unset) or else the terminal says so, but at least 40. Never more: lines stay
/// readable, and one width gives one text.
size_t report_width(const std::optional<std::string>& columns, int descriptor);

std::optional<std::string> environment(const char* name);

// Styles of ECMA-48.
inline constexpr std::string_view kBold = "1";
inline constexpr std::string_view kFaint = "2";
inline constexpr std::string_view kGreen = "32";
inline constexpr std::string_view kYellow = "33";
inline constexpr std::string_view kBoldGreen = "1;32";

/// The shape of a report.
struct ReportStyle {
  size_t width = 80;    // columns, at least 40; no line of the report is wider
  bool colour = false;  // ECMA-48 colours
};

/// That of a report on standard output: `width` columns, or as many as report_width() finds.
ReportStyle report_style(ColourChoice choice = ColourChoice::kAuto, std::optional<size_t> width = {});

/// `text` in a style, as it is where `colour` is false.
std::string styled(std::string_view text, std::string_view style, bool colour);

}  // namespace pellucid::cli
