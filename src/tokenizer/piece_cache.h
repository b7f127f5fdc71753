// Words repeat: the ids of a piece seen before are copied from where this call put them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tokenizer/text_index.h"

namespace pellucid::tokenizer {

/// Direct mapped; lives for one encode() call and remembers positions of that call's output, so it holds no
/// ids and needs no lock.
class PieceCache {
 public:
  /// `n_bytes`: the length of the text to come; a short one is not worth a cache.
  explicit PieceCache(size_t n_bytes) {
    size_t slots = n_bytes < 256 ? 0 : 256;
    while (slots != 0 && slots < n_bytes / 16 && slots < 16384) slots *= 2;
    slots_.resize(slots);
  }

  /// Appends the ids of `piece` to `ids`: a copy of earlier ones, or what `encode()` appends.
  template <typename Encode>
  void append(std::string_view piece, std::vector<int32_t>& ids, const Encode& encode) {
    if (slots_.empty() || piece.size() > kMaxBytes) return encode();
    Slot& slot = slots_[hash_text(piece) & (slots_.size() - 1)];
    if (slot.size == piece.size() && std::memcmp(slot.bytes, piece.data(), piece.size()) == 0) {
      ids.resize(ids.size() + slot.count);
      std::copy_n(ids.begin() + slot.begin, slot.count, ids.end() - slot.count);
      return;
    }
    const size_t begin = ids.size();
    encode();
    slot.size = static_cast<uint8_t>(piece.size());
    std::memcpy(slot.bytes, piece.data(), piece.size());
    slot.begin = static_cast<uint32_t>(begin);
    slot.count = static_cast<uint8_t>(ids.size() - begin);
  }

 private:
  static constexpr size_t kMaxBytes = 30;  // a slot is 36 bytes
  struct Slot {
    uint32_t begin = 0;  // of the ids
    uint8_t count = 0;   // of the ids: at most one a byte
    uint8_t size = 0;    // of the piece; 0: empty
    char bytes[kMaxBytes] = {};
  };
  std::vector<Slot> slots_;
};

}  // namespace pellucid::tokenizer
