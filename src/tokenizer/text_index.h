// A hash table from text to a small number, built once and read often: what merging looks tokens up in.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace pellucid::tokenizer {

/// Random numbers of this process, so that no file can hold texts that all hash alike. They decide where in a
/// table an entry lies and nothing else.
struct HashKeys {
  uint64_t start;
  uint64_t factor;  // odd
};
HashKeys random_hash_keys();
inline const HashKeys kHashKeys = random_hash_keys();

/// 64 mixed bits of `word`: a 64 x 64 -> 128 bit multiplication, folded.
inline uint64_t mix(uint64_t word) {
  __extension__ using uint128 = unsigned __int128;
  const uint128 product = static_cast<uint128>(word) * kHashKeys.factor;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

/// 64 mixed bits of `text`, 8 bytes a step.
inline uint64_t hash_text(std::string_view text) {
  uint64_t state = kHashKeys.start ^ text.size();
  uint64_t word = 0;
  for (; text.size() >= 8; text.remove_prefix(8)) {
    std::memcpy(&word, text.data(), 8);
    state = mix(state ^ word);
  }
  word = 0;
  if (!text.empty()) std::memcpy(&word, text.data(), text.size());
  return mix(state ^ word);
}

/// Open addressing with linear probing, at most half full. Views the texts.
class TextIndex {
 public:
  TextIndex() = default;
  /// Room for `count` texts; `texts[id]` must stay valid and unchanged.
  TextIndex(std::span<const std::string_view> texts, size_t count) : texts_(texts) {
    size_t capacity = 16;
    while (capacity < 2 * count) capacity *= 2;
    slots_.assign(capacity, Slot{0, -1});
  }

  /// Maps texts[id] to id; of equal texts the later insertion wins. At most `count` insertions.
  void insert(int32_t id) {
    const uint64_t hash = hash_text(texts_[id]);
    slots_[locate(texts_[id], hash)] = Slot{static_cast<uint32_t>(hash >> 32), id};
  }

  /// The id of `text`, or -1.
  [[nodiscard]] int32_t find(std::string_view text) const {
    return slots_.empty() ? -1 : slots_[locate(text, hash_text(text))].id;
  }

 private:
  struct Slot {
    uint32_t tag;  // the upper half of the hash: most misses end here
    int32_t id;    // -1: empty
  };

  /// The slot of `text`, or the empty one where it would go.
  [[nodiscard]] size_t locate(std::string_view text, uint64_t hash) const {
    const auto tag = static_cast<uint32_t>(hash >> 32);
    size_t i = hash & (slots_.size() - 1);
    while (slots_[i].id >= 0 && (slots_[i].tag != tag || texts_[slots_[i].id] != text)) {
      i = (i + 1) & (slots_.size() - 1);
    }
    return i;
  }

  std::span<const std::string_view> texts_;
  std::vector<Slot> slots_;
};

}  // namespace pellucid::tokenizer
