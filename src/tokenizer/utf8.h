// One step of UTF-8 decoding, shared by everything here that must not cut a character.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pellucid::tokenizer {

/// What stands at the front of some bytes.
struct Utf8Step {
  enum Kind : uint8_t {
    kCharacter,   // a well-formed character of `length` bytes
    kIllFormed,   // a maximal subpart of an ill-formed sequence, of `length` bytes
    kIncomplete,  // the bytes end inside what may become a well-formed character
  };
  Kind kind;
  uint8_t length;  // 1..4
};

/// Reads the front of `bytes`, which is not empty. Well-formed is table 3-7 of the Unicode Standard: no
/// overlong forms, no surrogates, nothing above U+10FFFF.
constexpr Utf8Step utf8_step(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t lead = at(0);
  if (lead < 0x80) return {Utf8Step::kCharacter, 1};
  if (lead < 0xC2 || lead > 0xF4) return {Utf8Step::kIllFormed, 1};
  const uint8_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte alone carries the limits of overlong forms, surrogates and the last plane.
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (uint8_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {Utf8Step::kIncomplete, i};
    if (at(i) < low || at(i) > high) return {Utf8Step::kIllFormed, i};
    low = 0x80;
    high = 0xBF;
  }
  return {Utf8Step::kCharacter, length};
}

}  // namespace pellucid::tokenizer
