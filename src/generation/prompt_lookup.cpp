#include "generation/prompt_lookup.h"

#include <algorithm>

namespace pellucid::generation {
namespace {

constexpr size_t kPattern = 3;      // tokens that have to match
constexpr size_t kReach = 1 << 14;  // tokens searched, at most: some microseconds

/// Where the text goes on after the latest earlier occurrence of its last kPattern tokens; its size if there
/// is none.
size_t after_match(std::span<const int32_t> text) {
  if (text.size() <= kPattern) return text.size();
  const auto pattern = text.last(kPattern);
  for (size_t at = text.size() - kPattern; at-- > 0;) {
    if (std::equal(pattern.begin(), pattern.end(), text.begin() + static_cast<ptrdiff_t>(at)))
      return at + kPattern;
  }
  return text.size();
}

}  // namespace

void PromptLookup::propose(std::span<const int32_t> before, int limit, std::vector<int32_t>& tokens) {
  if (pause_ > 0) {
    --pause_;
    return;
  }
  const auto recent = before.last(std::min(before.size(), kReach));
  std::vector<int32_t> text(recent.begin(), recent.end());
  text.push_back(tokens.front());
  const size_t from = after_match(text);
  const size_t wanted = static_cast<size_t>(std::clamp(length_, 0, std::max(0, limit)));
  const size_t n = std::min(wanted, text.size() - from);
  tokens.insert(tokens.end(), text.begin() + static_cast<ptrdiff_t>(from),
                text.begin() + static_cast<ptrdiff_t>(from + n));
}

void PromptLookup::learn(int drafted, int accepted) {
  if (drafted == 0) return;
  if (accepted == drafted) {
    length_ = std::min(2 * length_, kMaxLength);
    next_pause_ = kFirstPause;
  } else if (accepted == 0) {
    length_ = kFirstLength;
    pause_ = next_pause_;
    next_pause_ = std::min(2 * next_pause_, kMaxPause);
  } else {
    length_ = std::max(kFirstLength, accepted);
  }
}

}  // namespace pellucid::generation
