// DRY, "don't repeat yourself": subtracts from the logit of a token that would lengthen a repetition, the
// more the longer that is already (p-e-w 2024, with llama.cpp's rules for what breaks a sequence).
#include <cmath>
#include <map>

#include "sampling/log.h"
#include "sampling/stages/sequences.h"
#include "sampling/stages/stages.h"
#include "sampling/stages/words.h"

namespace pellucid::sampling {
namespace {

constexpr double kLargestLog = 88.7228391;  // of float32: no penalty's power passes it

constexpr std::array kSettings{
    SettingRow{
        .name = "dry_multiplier",
        .field = &Settings::dry_multiplier,
        .minimum = 0,
        .maximum = 1e6,
        .identity = 0,
        .help = "subtract this * base ^ (length - allowed) from what lengthens a repetition; 0 is off",
    },
    SettingRow{
        .name = "dry_base",
        .field = &Settings::dry_base,
        .minimum = 1,
        .maximum = 100,
        .identity = 1.75,
        .help = "how steeply it grows",
    },
    SettingRow{
        .name = "dry_allowed_length",
        .field = &Settings::dry_allowed_length,
        .minimum = 1,
        .maximum = kMaxInt,
        .identity = 2,
        .help = "repetitions shorter than this many tokens are free",
    },
    SettingRow{
        .name = "dry_last_n",
        .aliases = {"dry_penalty_last_n"},
        .field = &Settings::dry_last_n,
        .minimum = -1,
        .maximum = kMaxInt,
        .identity = -1,
        .help = "how many of the latest tokens it looks at; -1 is all",
    },
    SettingRow{
        .name = "dry_breakers",
        .aliases = {"dry_sequence_breakers", "dry_sequence_breaker"},
        .field = &Settings::dry_breakers,
        .identity = 4,
        .help = "texts that no repetition reaches across",
    },
};

/// The breakers that end in a token.
std::span<const TokenIds> breakers_ending_in(std::span<const TokenIds> breakers, int32_t id) {
  const auto last = [](const TokenIds& breaker) { return breaker.back(); };
  return {std::ranges::lower_bound(breakers, id, {}, last), std::ranges::upper_bound(breakers, id, {}, last)};
}

/// How many tokens stand after the latest breaker.
size_t since_breaker(std::span<const int32_t> window, std::span<const TokenIds> breakers) {
  for (size_t end = window.size(); end > 0; --end) {
    for (const TokenIds& breaker : breakers_ending_in(breakers, window[end - 1])) {
      if (breaker.size() <= end &&
          std::ranges::equal(window.subspan(end - breaker.size(), breaker.size()), breaker))
        return window.size() - end;
    }
  }
  return window.size();
}

bool is_breaker(std::span<const TokenIds> breakers, int32_t id) {
  return std::ranges::any_of(breakers_ending_in(breakers, id),
                             [](const TokenIds& breaker) { return breaker.size() == 1; });
}

/// For each position i, how many tokens up to and with it are those that the window ends in: the Z function
/// of the window read backwards (Gusfield 1997).
std::vector<size_t> matches_of_end(std::span<const int32_t> window) {
  const size_t n = window.size();
  const auto back = [&](size_t i) { return window[n - 1 - i]; };
  std::vector<size_t> z(n, 0);
  size_t left = 0;
  size_t right = 0;  // [left, right) is the match that reaches furthest
  for (size_t i = 1; i < n; ++i) {
    if (i < right) z[i] = std::min(right - i, z[i - left]);
    while (i + z[i] < n && back(z[i]) == back(i + z[i])) ++z[i];
    if (i + z[i] > right) {
      left = i;
      right = i + z[i];
    }
  }
  return {z.rbegin(), z.rend()};
}

/// The longest repetition that each token would lengthen.
std::map<int32_t, size_t> repetitions(std::span<const int32_t> window, size_t limit, size_t allowed) {
  std::map<int32_t, size_t> longest;
  const std::vector<size_t> matches = matches_of_end(window);
  for (size_t i = 0; i + 1 < window.size(); ++i) {
    const size_t length = std::min(matches[i], limit);
    if (length >= allowed) longest[window[i + 1]] = std::max(longest[window[i + 1]], length);
  }
  return longest;
}

Edits edit(const StageInput& input, const LogitOf& logit, StageReport& report) {
  const Settings& s = input.settings;
  report.setting = s.dry_multiplier;
  const std::span<const int32_t> window = input.context.window(s.dry_last_n, Scope::kAll);
  const std::span<const TokenIds> breakers = input.context.breakers;
  const auto allowed = static_cast<size_t>(s.dry_allowed_length);
  const size_t limit = since_breaker(window, breakers);
  if (limit < allowed) return {};
  const double largest = s.dry_base > 1.000001 ? kLargestLog / log_positive(s.dry_base) : kMaxInt;
  Edits edits;
  for (const auto& [id, length] : repetitions(window, limit, allowed)) {
    if (is_breaker(breakers, id) || logit(id) == kRuledOut) continue;
    const auto exponent = std::min(static_cast<double>(length - allowed), std::floor(largest));
    report.measure = std::max(report.measure, static_cast<double>(length));
    edits.changes.push_back(
        {id, logit(id) - s.dry_multiplier * power(s.dry_base, static_cast<uint32_t>(exponent))});
  }
  return edits;
}

std::string summary(const StageReport& report) {
  if (report.changed == 0) return "nothing repeats";
  return fmt::format("{}, the longest repetition has {} tokens", changed_words(report), report.measure);
}

}  // namespace

constinit const StageRow kDryStage{
    .id = StageId::kDry,
    .name = "dry",
    .group = StageGroup::kPenalty,
    .settings = kSettings,
    .edit = edit,
    .summary = summary,
    .reason = no_reason,
};

}  // namespace pellucid::sampling
