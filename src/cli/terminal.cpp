#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace pellucid::cli {
namespace {

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

}  // namespace

TerminalFacts terminal_facts(int descriptor) {
  return {::isatty(descriptor) == 1, environment("NO_COLOR"), environment("TERM")};
}

bool use_colour(ColourChoice choice, const TerminalFacts& facts) {
  if (choice != ColourChoice::kAuto) return choice == ColourChoice::kAlways;
  if (facts.no_color && !facts.no_color->empty()) return false;
  return facts.is_terminal && facts.term && !facts.term->empty() && *facts.term != "dumb";
}

size_t report_width(int descriptor) {
  constexpr size_t kUsual = 80;
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return std::clamp<size_t>(size.ws_col, 40, kUsual);
}

std::string styled(std::string_view text, std::string_view style, bool colour) {
  if (!colour || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", style, text);
}

}  // namespace pellucid::cli
