// Sets of tokens as text: a hexadecimal digit for each 4 tokens, the lowest bit the first of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sampling/row.h"

namespace pellucid::trace {

inline std::string set_digits(const sampling::TokenSet& set) {
  std::string digits;
  digits.reserve(set.size() * 8);
  for (const uint32_t word : set) {
    for (int shift = 0; shift < 32; shift += 4) digits += "0123456789abcdef"[word >> shift & 15U];
  }
  return digits;
}

/// The set for a vocabulary of `n_vocab` tokens; none where the text is not one, or not for so many.
inline std::optional<sampling::TokenSet> set_of_digits(std::string_view digits, size_t n_vocab) {
  sampling::TokenSet set((n_vocab + 31) / 32);
  if (digits.size() != set.size() * 8) return std::nullopt;
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t digit = std::string_view("0123456789abcdef").find(digits[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    set[i / 8] |= static_cast<uint32_t>(digit) << i % 8 * 4;
  }
  return set;
}

}  // namespace pellucid::trace
