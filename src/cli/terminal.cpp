#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace pellucid::cli {
std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

TerminalFacts terminal_facts(int descriptor) {
  return {::isatty(descriptor) == 1, environment("NO_COLOR"), environment("TERM")};
}

bool use_colour(ColourChoice choice, const TerminalFacts& facts) {
  if (choice != ColourChoice::kAuto) return choice == ColourChoice::kAlways;
  if (facts.no_color && !facts.no_color->empty()) return false;
  return facts.is_terminal && facts.term && !facts.term->empty() && *facts.term != "dumb";
}

size_t report_width(const std::optional<std::string>& columns, int descriptor) {
  constexpr size_t kLeast = 40;
  constexpr size_t kUsual = 80;
  size_t width = 0;
  if (columns) {
    const char* end = columns->data() + columns->size();
    const auto [stop, status] = std::from_chars(columns->data(), end, width);
    if (status != std::errc() || stop != end) width = 0;
  }
  winsize size{};
  if (width == 0 && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0) width = size.ws_col;
  return width == 0 ? kUsual : std::clamp(width, kLeast, kUsual);
}

ReportStyle report_style(ColourChoice choice, std::optional<size_t> width) {
  return {width.value_or(report_width(environment("COLUMNS"), STDOUT_FILENO)),
          use_colour(choice, terminal_facts(STDOUT_FILENO))};
}

std::string styled(std::string_view text, std::string_view style, bool colour) {
  if (!colour || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", style, text);
}

}  // namespace pellucid::cli
