// SentencePiece-style BPE (Kudo and Richardson 2018): characters are the first symbols, the pair whose joined
// text is the token of best score merges first, and what is no token falls back to byte tokens.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizer/merge.h"
#include "tokenizer/piece_cache.h"
#include "tokenizer/text_index.h"
#include "tokenizer/vocabulary.h"

namespace pellucid::tokenizer {

class SpmBpe {
 public:
  /// Errors: kBadModel where a byte has neither a byte token nor an unknown token to fall back to.
  static Result<SpmBpe> from(const Vocabulary& vocabulary);

  struct Scratch;
  /// Appends the ids of `text`. Ill-formed bytes are encoded one by one.
  void encode(std::string_view text, PieceCache& cache, Scratch& scratch, std::vector<int32_t>& ids) const;

  /// A symbol of merge_symbols(): a stretch of the escaped text.
  struct Symbol {
    const char* begin;
    uint32_t length;
  };
  /// Rules of merge_symbols(): a priority is a score's place among all scores, equal ones sharing it.
  [[nodiscard]] uint32_t priority(Symbol left, Symbol right) const {
    const int32_t id = index_.find({left.begin, left.length + right.length});
    return id < 0 ? kNoMerge : priorities_[id];
  }
  [[nodiscard]] Symbol merge(Symbol left, Symbol right, uint32_t) const {
    return {left.begin, left.length + right.length};
  }

 private:
  void encode_word(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const;
  void append_fallback(std::string_view text, std::vector<int32_t>& ids) const;
  [[nodiscard]] size_t word_end(std::string_view text) const;

  TextIndex index_;
  std::vector<uint32_t> priorities_;     // [vocabulary size]
  std::array<int32_t, 256> byte_ids_{};  // -1 where missing
  int32_t unknown_ = -1;
  std::array<bool, 256> joins_space_{};  // bytes that stand before U+2581 within some token
};

/// Working memory of one call of Tokenizer::encode().
struct SpmBpe::Scratch {
  MergeScratch<Symbol> merge;
  std::string escaped;  // a word, with its spaces as U+2581
};

}  // namespace pellucid::tokenizer
