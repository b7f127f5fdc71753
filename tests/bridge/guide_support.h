// Small vocabularies for tests of guides.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bridge/guide.h"

namespace pellucid::bridge {

/// Every byte of printable ASCII, some longer tokens that begin and end anywhere, one twice, one without
/// bytes, one that is not text, and the last one ends a text.
inline std::vector<std::string> small_tokens() {
  std::vector<std::string> tokens;
  for (char c = ' '; c <= '~'; ++c) tokens.emplace_back(1, c);
  for (const char* longer :
       {"\n",  "ab", "ba",   "aa", "abab", "12",   "\"a", "a\"",  "\":",  "\": ",     "{\"",      "\"}",
        "}\n", ", ", "true", "tr", "ue",   "null", "ab",  "\xC3", "\xA9", "\xC3\xA9", "\xC3\xA9t"}) {
    tokens.emplace_back(longer);
  }
  tokens.emplace_back();
  tokens.emplace_back("\xFF<|im_start|>");
  tokens.emplace_back("\xFF<|im_end|>");
  return tokens;
}

inline int32_t end_of(const std::vector<std::string>& tokens) {
  return static_cast<int32_t>(tokens.size()) - 1;
}

inline GuideVocabulary vocabulary_of(const std::vector<std::string>& tokens) {
  auto made = GuideVocabulary::make(tokens, std::vector<int32_t>{end_of(tokens)});
  return std::move(made).value();
}

inline bool holds(const std::vector<uint32_t>& words, size_t token) {
  return (words[token / 32] >> token % 32 & 1U) != 0;
}

}  // namespace pellucid::bridge
