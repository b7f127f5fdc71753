// Finds the tokens that are recognised in raw text before anything else is done to it: control tokens such as
// <|im_end|>, and user-defined ones.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizer/vocabulary.h"

namespace pellucid::tokenizer {

/// A stretch of text without special tokens (id -1, not empty), or one special token.
struct Fragment {
  std::string_view text;
  int32_t id;
};

/// At each place the longest token wins, and the leftmost place wins, as in SentencePiece and Hugging Face
/// (llama.cpp takes the longest token of the whole text first: the same, unless the end of one token is the
/// beginning of another).
///
/// An Aho-Corasick automaton (Comm. ACM 18(6), 1975) of the reversed tokens reads the text backwards: its
/// state knows the longest token that starts at each byte, so any vocabulary and any text take linear time.
class SpecialSplit {
 public:
  /// Errors: kLimit (the special tokens have more than 4 MiB of text; a state takes some 50 bytes for each).
  static Result<SpecialSplit> from(const Vocabulary& vocabulary);

  /// `parse_special`: control and unknown tokens count too, not only user-defined ones.
  [[nodiscard]] std::vector<Fragment> split(std::string_view text, bool parse_special) const;

 private:
  struct State {
    int32_t first_edge = 0, n_edges = 0;     // in edges_, ascending by byte
    int32_t failure = 0;                     // the state of the longest proper suffix
    std::array<int32_t, 2> longest{-1, -1};  // token ids: of user-defined tokens; of all
  };
  struct Edge {
    uint8_t byte;
    int32_t target;
  };

  explicit SpecialSplit(const Vocabulary& vocabulary);
  void build_trie(std::span<const std::string_view> reversed, std::span<const int32_t> ids,
                  const Vocabulary& vocabulary);
  void link_failures();
  [[nodiscard]] int32_t child(int32_t state, uint8_t byte) const;
  [[nodiscard]] int32_t next(int32_t state, uint8_t byte) const;

  std::vector<State> states_;  // 0 is the root
  std::vector<Edge> edges_;
  std::array<int32_t, 256> root_{};  // next state from the root
  std::vector<size_t> lengths_;      // [vocabulary size] of the tokens' texts
};

}  // namespace pellucid::tokenizer
