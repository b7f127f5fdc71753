#include "cli/checks.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"

namespace pellucid::cli {

CLI::Validator whole_number(uint64_t least, uint64_t most) {
  const auto check = [least, most](std::string& text) -> std::string {
    uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(text.data(), end, value);
    if (status != std::errc() || stop != end || value < least || value > most)
      return fmt::format("{} is not a whole number between {} and {}", in_quotes(text), least, most);
    text = std::to_string(value);
    return {};
  };
  const bool bounded = most < static_cast<uint64_t>(std::numeric_limits<int>::max());
  return CLI::Validator(check, bounded ? fmt::format("{}..{}", least, most) : "");
}

CLI::Validator number_in(double least, double most) {
  const auto check = [least, most](std::string& text) -> std::string {
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(text.data(), end, value);
    if (status != std::errc() || stop != end || !(value >= least && value <= most))
      return fmt::format("{} is not a number between {} and {}", in_quotes(text), least, most);
    return {};
  };
  return CLI::Validator(check, fmt::format("{}..{}", least, most));
}

CLI::Validator one_of(std::vector<std::pair<std::string, int>> choices) {
  const auto replace = [choices = std::move(choices)](std::string& text) -> std::string {
    std::string words;
    for (const auto& [word, number] : choices) {
      if (word == text) {
        text = std::to_string(number);
        return {};
      }
      words += (words.empty() ? "" : ", ") + word;
    }
    return fmt::format("{} is not one of {}", in_quotes(text), words);
  };
  return CLI::Validator(replace, "");
}

}  // namespace pellucid::cli
