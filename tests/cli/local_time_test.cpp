// The time of chat templates: every field against the C library's, and nothing that is no time.
#include "cli/local_time.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace pellucid::cli {
namespace {

std::string formatted(const std::tm& time, const char* format) {
  char buffer[256];
  return {buffer, std::strftime(buffer, sizeof(buffer), format, &time)};
}

TEST(LocalTime, EveryFieldIsThatOfTheCLibrary) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    // 1900 to 2200.
    const auto seconds = static_cast<std::time_t>(random() % 9'467'000'000) - 2'208'988'800;
    std::tm expected{};
    ::gmtime_r(&seconds, &expected);
    const auto parsed = parse_local_time(formatted(expected, "%Y-%m-%dT%H:%M:%S"));
    ASSERT_TRUE(parsed.ok());
    const char* kAll = "%a %A %b %B %c %d %e %F %H %I %j %m %M %p %S %T %u %U %V %w %W %x %X %y %Y %G";
    ASSERT_EQ(formatted(parsed.value(), kAll), formatted(expected, kAll));
    ASSERT_EQ(to_text(parsed.value()), formatted(expected, "%Y-%m-%dT%H:%M:%S"));
  }
}

TEST(LocalTime, HasNoZoneWhateverTheMachineHas) {
  for (const char* zone : {"UTC", "America/New_York", "Asia/Kathmandu", "XYZ-5"}) {
    ::setenv("TZ", zone, 1);
    ::tzset();
    const std::tm time = parse_local_time("2026-07-02T03:04:05").value();
    EXPECT_EQ(formatted(time, "%d %b %Y %H:%M [%Z%z]"), "02 Jul 2026 03:04 []") << zone;
    const std::tm now = local_time_or_now(std::nullopt).value();
    EXPECT_EQ(formatted(now, "[%Z%z]"), "[]");
    const std::tm again = local_time_or_now(to_text(now)).value();
    EXPECT_EQ(formatted(again, "%c %j %a %Z%z"), formatted(now, "%c %j %a %Z%z"));
  }
  ::setenv("TZ", "XYZ-5", 1);  // five hours east
  ::tzset();
  const std::time_t later = std::time(nullptr) + 5 * 3600;
  std::tm east{};
  ::gmtime_r(&later, &east);
  east.tm_isdst = 0;
  std::tm now = local_time_or_now(std::nullopt).value();
  EXPECT_LE(std::abs(std::difftime(::timegm(&now), ::timegm(&east))), 2);
}

TEST(LocalTime, RefusesWhatIsNoTime) {
  for (const char* bad :
       {"", "now", "2026-01-02", "2026-01-02 03:04:05", "2026-01-02T03:04:05Z", "2026-1-2T3:4:5",
        "2026-13-02T03:04:05", "2026-00-02T03:04:05", "2026-02-29T03:04:05", "2026-01-32T00:00:00",
        "2026-01-02T24:00:00", "2026-01-02T03:60:05", "2026-01-02T03:04:60", "1899-12-31T23:59:59",
        "2026-01-02T03:04:0", "2026-01-02T03:04:055", "+026-01-02T03:04:05", "2026-01-02T03:04:-5"}) {
    const auto parsed = parse_local_time(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_EQ(parsed.error().code, ErrorCode::kUsage);
  }
  EXPECT_TRUE(parse_local_time("2024-02-29T23:59:59").ok());
}

}  // namespace
}  // namespace pellucid::cli
