#include "cli/local_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"

namespace pellucid::cli {
namespace {

constexpr std::string_view kForm = "0000-00-00T00:00:00";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool has_form(std::string_view text) {
  return std::equal(text.begin(), text.end(), kForm.begin(), kForm.end(),
                    [](char c, char form) { return form == '0' ? is_digit(c) : c == form; });
}

/// The number written in `n` digits from `at` on.
int digits(std::string_view text, size_t at, size_t n) {
  int value = 0;
  for (const char c : text.substr(at, n)) value = 10 * value + (c - '0');
  return value;
}

}  // namespace

Result<std::tm> parse_local_time(std::string_view text) {
  using namespace std::chrono;
  const Error refused{ErrorCode::kUsage, "invalid now",
                      fmt::format("{} is not a time such as 2026-01-02T03:04:05", in_quotes(text))};
  if (!has_form(text)) return refused;
  std::tm time{};
  const year_month_day date{year{digits(text, 0, 4)}, month{static_cast<unsigned>(digits(text, 5, 2))},
                            day{static_cast<unsigned>(digits(text, 8, 2))}};
  time.tm_hour = digits(text, 11, 2);
  time.tm_min = digits(text, 14, 2);
  time.tm_sec = digits(text, 17, 2);
  const bool exists = date.ok() && time.tm_hour < 24 && time.tm_min < 60 && time.tm_sec < 60;
  if (!exists || date.year() < year{1900}) return refused;
  time.tm_year = static_cast<int>(date.year()) - 1900;
  time.tm_mon = static_cast<int>(static_cast<unsigned>(date.month())) - 1;
  time.tm_mday = static_cast<int>(static_cast<unsigned>(date.day()));
  time.tm_wday = static_cast<int>(weekday{sys_days{date}}.c_encoding());
  time.tm_yday = static_cast<int>((sys_days{date} - sys_days{date.year() / January / 1}).count());
  time.tm_isdst = -1;  // unknown: strftime then writes no zone
  time.tm_zone = "";
  return time;
}

std::string to_text(const std::tm& time) {
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", time.tm_year + 1900, time.tm_mon + 1,
                     time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec);
}

Result<std::tm> local_time_or_now(const std::optional<std::string>& given) {
  if (given) return parse_local_time(*given);
  using namespace std::chrono;
  // time() lags: it reads the clock of the last tick, which may be in the second before.
  const std::time_t since_epoch = system_clock::to_time_t(floor<seconds>(system_clock::now()));
  std::tm clock{};
  if (::localtime_r(&since_epoch, &clock) == nullptr)
    return Error{ErrorCode::kIo, "cannot tell the time", "the clock is out of range"};
  clock.tm_sec = std::min(clock.tm_sec, 59);  // a leap second is none of Python's
  return parse_local_time(
      to_text(clock));  // so that the time reported, given back, is the same in all its fields
}

}  // namespace pellucid::cli
