// Finds phrases in a text as it is written, all of them at once (Aho and Corasick, "Efficient string
// matching", 1975). Pure: no model, no tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pellucid::generation {

/// Immutable. Where a text is, is one number of the caller's.
class PhraseMatcher {
 public:
  using Place = uint32_t;
  static constexpr Place kStart = 0;

  /// None of `phrases` is empty; all together are below 2^31 bytes. Where case is ignored, A to Z are a to z.
  PhraseMatcher(const std::vector<std::string>& phrases, bool ignore_case);

  /// The place after one more byte.
  [[nodiscard]] Place next(Place place, char byte) const;
  /// The length of the shortest phrase that ends here; 0 without.
  [[nodiscard]] size_t ended(Place place) const { return nodes_[place].ended; }
  /// That phrase, as it is looked for.
  [[nodiscard]] std::string phrase(Place place) const;
  /// How much of the text here, from its end, may be the beginning of a phrase.
  [[nodiscard]] size_t pending(Place place) const { return nodes_[place].depth; }

 private:
  struct Node {
    uint32_t first_child = 0;   // 0: none
    uint32_t next_sibling = 0;  // 0: none
    Place parent = kStart;
    Place fail = kStart;  // the longest other beginning of a phrase that ends here
    uint32_t depth = 0;
    uint32_t ended = 0;
    char byte = 0;
  };
  [[nodiscard]] Place child(Place place, char byte) const;
  [[nodiscard]] char folded(char byte) const {
    return ignore_case_ && byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
  }
  void add(std::string_view phrase);
  void link();

  std::vector<Node> nodes_{Node{}};
  bool ignore_case_;
};

}  // namespace pellucid::generation
