// Where a text stands in a sequence of tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace pellucid::sampling {

/// True where `tokens` end in all of `sequence` but its last token: that one would complete it.
inline bool completes(std::span<const int32_t> tokens, std::span<const int32_t> sequence) {
  const size_t before = sequence.size() - 1;
  return before <= tokens.size() && std::ranges::equal(tokens.last(before), sequence.first(before));
}

}  // namespace pellucid::sampling
