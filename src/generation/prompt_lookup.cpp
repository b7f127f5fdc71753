#include "generation/prompt_lookup.h"

#include <algorithm>
#include <optional>

namespace pellucid::generation {
namespace {

constexpr size_t kReach = 1 << 14;  // tokens searched, at most: some microseconds

/// Where the text before its newest token goes on after the latest earlier occurrence of the last three
/// tokens; nothing if there is none.
std::optional<size_t> after_match(std::span<const int32_t> before, int32_t newest) {
  if (before.size() < 3) return std::nullopt;
  const int32_t pattern[] = {before[before.size() - 2], before[before.size() - 1], newest};
  for (size_t end = before.size(); end >= 3; --end) {
    const auto here = before.subspan(end - 3, 3);
    if (std::equal(here.begin(), here.end(), pattern)) return end;
  }
  return std::nullopt;
}

}  // namespace

void PromptLookup::propose(std::span<const int32_t> before, int limit, std::vector<int32_t>& tokens) {
  if (pause_ > 0) {
    --pause_;
    return;
  }
  const auto recent = before.last(std::min(before.size(), kReach));
  const int32_t newest = tokens.front();
  const std::optional<size_t> match = after_match(recent, newest);
  if (!match) return;
  // What follows the match ends with the newest token.
  const size_t wanted = static_cast<size_t>(std::clamp(limit, 0, length_));
  const size_t end = std::min(*match + wanted, recent.size() + 1);
  for (size_t i = *match; i < end; ++i) tokens.push_back(i < recent.size() ? recent[i] : newest);
}

void PromptLookup::learn(int drafted, int accepted) {
  if (drafted == 0) return;
  if (accepted == drafted) {
    length_ = std::min(2 * length_ + 1, kMaxLength);
    next_pause_ = kFirstPause;
  } else if (accepted == 0) {
    length_ = kFirstLength;
    pause_ = next_pause_;
    next_pause_ = std::min(2 * next_pause_, kMaxPause);
  } else {
    while (length_ > std::max(kFirstLength, accepted)) length_ /= 2;
  }
}

}  // namespace pellucid::generation
