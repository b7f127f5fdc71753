// Byte-level BPE: the bytes of a piece are the first symbols, merged in the order of the model's merge list
// (Sennrich, Haddow and Birch 2016; bytes as in GPT-2, Radford et al. 2019).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizer/merge.h"
#include "tokenizer/text_index.h"
#include "tokenizer/vocabulary.h"

namespace pellucid::tokenizer {

class ByteBpe {
 public:
  /// Reads the merge list. `pieces` are the tokens' bytes, which must outlive this. `whole_pieces`: a piece
  /// that is a token is that token, whatever the merges say (`ignore_merges` of Hugging Face's BPE). Errors:
  /// kBadModel for a merge that is not two tokens which together are a third.
  static Result<ByteBpe> from(const Vocabulary& vocabulary, std::span<const std::string_view> pieces,
                              bool whole_pieces);

  /// Appends the ids of `piece`. A byte without a token is left out, as Hugging Face and llama.cpp do.
  void encode(std::string_view piece, MergeScratch<int32_t>& scratch, std::vector<int32_t>& ids) const;

  /// The bytes for which the vocabulary has no token.
  [[nodiscard]] std::vector<uint8_t> missing_bytes() const;

  /// Rules of merge_symbols(): a symbol is an id, a priority the place in the merge list.
  [[nodiscard]] uint32_t priority(int32_t left, int32_t right) const {
    return ranks_[locate(key(left, right))].rank;
  }
  [[nodiscard]] int32_t merge(int32_t, int32_t, uint32_t rank) const { return merged_[rank]; }

 private:
  struct Slot {
    uint64_t pair;
    uint32_t rank;
  };

  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  /// The slot of a pair, or the empty one where it would go (open addressing, linear probing).
  [[nodiscard]] size_t locate(uint64_t pair) const {
    size_t i = mix(kHashKeys.start ^ pair) >> shift_;
    while (ranks_[i].pair != pair && ranks_[i].rank != kNoMerge) i = (i + 1) & (ranks_.size() - 1);
    return i;
  }
  Result<void> read_merges(const Vocabulary& vocabulary);

  std::array<int32_t, 256> byte_ids_{};  // -1 where missing
  std::vector<Slot> ranks_;              // a power of two, at most half full
  int shift_ = 0;                        // 64 - log2 of its size
  std::vector<int32_t> merged_;          // [merges] the token that each makes
  TextIndex whole_pieces_;               // empty where merges decide
};

}  // namespace pellucid::tokenizer
