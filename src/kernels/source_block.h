// The blocks of ggml's quantised types as one row of a packed matrix keeps them: each format is defined once,
// here, and decoding and packing both start from it. The codes of 32 columns are words of 32 bits, as many as
// a code has bits, each one lane of a vector of format.h: most types hold them nearly so, and taking single
// codes out of bytes would make loading a model several times slower.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/format.h"
#include "kernels/packed.h"

namespace pellucid::kernels {

/// 32 columns of one row.
struct RowBlock {
  uint16_t scale;  // float16
  uint16_t
      minimum;  // float16, the number that is added (K types: the sign of dmin turned); 0 if there is none
  uint8_t subs[2];    // see format.h's SubScales
  uint32_t words[8];  // word v is this row's lane of vector v of the planes; code_bits of them are filled
};

namespace source {

inline constexpr uint32_t kLowBit = 0x01010101U;  // of each of the 4 codes or bytes of a word
inline constexpr uint32_t kPair = 0x03030303U;
inline constexpr uint32_t kNibble = 0x0F0F0F0FU;

inline uint16_t read_half(const std::byte* p) {
  uint16_t half = 0;
  std::memcpy(&half, p, sizeof(half));
  return half;
}

inline uint32_t read_word(const std::byte* p, int index) {
  uint32_t word = 0;
  std::memcpy(&word, p + 4 * index, sizeof(word));
  return word;
}

inline int read_byte(const std::byte* p, int index) { return static_cast<int>(p[index]); }

inline uint8_t byte(int value) { return static_cast<uint8_t>(value); }

// These take 8 words of 4 bytes in which one code after another has its bits from `shift` on, as ggml's K
// types have them, and put those bits together as format.h draws them.
inline void join_nibbles(const std::byte* p, int shift, uint32_t* words) {
  for (int j = 0; j < 4; ++j) {
    words[j] = (read_word(p, j) >> shift & kNibble) | (read_word(p, j + 4) >> shift & kNibble) << 4;
  }
}

inline void join_pairs(const std::byte* p, int shift, uint32_t* words) {
  for (int h = 0; h < 2; ++h) {
    words[h] = 0;
    for (int i = 0; i < 4; ++i) words[h] |= (read_word(p, 4 * h + i) >> shift & kPair) << (2 * i);
  }
}

inline uint32_t join_bits(const std::byte* p, int shift) {
  uint32_t word = 0;
  for (int j = 0; j < 8; ++j) word |= (read_word(p, j) >> shift & kLowBit) << j;
  return word;
}

// The fifth bits of Q5_0 and Q5_1: bit k of `bits` belongs to code k, so 4 neighbours go to 4 bytes.
inline uint32_t spread_bits(uint32_t bits) {
  uint32_t word = 0;
  for (int j = 0; j < 8; ++j) word |= ((bits >> 4 * j & 15U) * 0x00204081U & kLowBit) << j;
  return word;
}

// Number i of the eight 6-bit scales and of the eight 6-bit minimums in 12 bytes (Q4_K, Q5_K).
inline void read_scale_and_minimum(const std::byte* p, int i, uint8_t* subs) {
  const auto at = [&](int index) { return read_byte(p, index); };
  if (i < 4) {
    subs[0] = byte(at(i) & 63);
    subs[1] = byte(at(i + 4) & 63);
  } else {
    subs[0] = byte((at(i + 4) & 15) | at(i - 4) >> 6 << 4);
    subs[1] = byte(at(i + 4) >> 4 | at(i) >> 6 << 4);
  }
}

// Number i of the sixteen 6-bit scales in 12 bytes (Q3_K).
inline uint8_t read_q3_k_scale(const std::byte* p, int i) {
  const int low = read_byte(p, i % 8) >> (i / 8 * 4) & 15;
  const int high = read_byte(p, 8 + i % 4) >> (i / 4 * 2) & 3;
  return byte((low | high << 4) - 32);
}

inline void set_halves(const std::byte* scale, const std::byte* minimum, RowBlock& b) {
  b.scale = read_half(scale);
  b.minimum = read_half(minimum) ^ 0x8000;
}

inline void read_q2_k(const std::byte* p, int i, RowBlock& b) {
  set_halves(p + 80, p + 82, b);
  std::memcpy(b.subs, p + 2 * i, 2);
  join_pairs(p + 16 + 32 * (i / 4), 2 * (i % 4), b.words);
}

inline void read_q3_k(const std::byte* p, int i, RowBlock& b) {
  b.scale = read_half(p + 108);
  for (int half = 0; half < 2; ++half) b.subs[half] = read_q3_k_scale(p + 96, 2 * i + half);
  b.words[0] = join_bits(p, i);
  join_pairs(p + 32 + 32 * (i / 4), 2 * (i % 4), b.words + 1);
}

inline void read_q4_k(const std::byte* p, int i, RowBlock& b) {
  set_halves(p, p + 2, b);
  read_scale_and_minimum(p + 4, i, b.subs);
  join_nibbles(p + 16 + 32 * (i / 2), 4 * (i % 2), b.words);
}

inline void read_q5_k(const std::byte* p, int i, RowBlock& b) {
  set_halves(p, p + 2, b);
  read_scale_and_minimum(p + 4, i, b.subs);
  b.words[0] = join_bits(p + 16, i);
  join_nibbles(p + 48 + 32 * (i / 2), 4 * (i % 2), b.words + 1);
}

inline void read_q6_k(const std::byte* p, int i, RowBlock& b) {
  b.scale = read_half(p + 208);
  std::memcpy(b.subs, p + 192 + 2 * i, 2);
  join_pairs(p + 128 + 32 * (i / 4), 2 * (i % 4), b.words);
  join_nibbles(p + 64 * (i / 4) + 32 * (i % 2), i % 4 / 2 * 4, b.words + 2);
}

}  // namespace source

/// Reads columns 32 i .. 32 i + 31 of the block at p of a quantised type.
template <PackedFormat kFormat>
void read_block(const std::byte* p, int i, RowBlock& b) {
  using namespace source;
  b.scale = read_half(p);
  b.minimum = 0;
  switch (kFormat) {
    case PackedFormat::kQ4_0:
    case PackedFormat::kIQ4_NL:
      std::memcpy(b.words, p + 2, 16);  // low nibbles are codes 0 .. 15
      return;
    case PackedFormat::kQ4_1:
      b.minimum = read_half(p + 2);
      std::memcpy(b.words, p + 4, 16);
      return;
    case PackedFormat::kQ5_0:
      b.words[0] = spread_bits(read_word(p + 2, 0));
      std::memcpy(b.words + 1, p + 6, 16);
      return;
    case PackedFormat::kQ5_1:
      b.minimum = read_half(p + 2);
      b.words[0] = spread_bits(read_word(p + 4, 0));
      std::memcpy(b.words + 1, p + 8, 16);
      return;
    case PackedFormat::kQ8_0:
      for (int j = 0; j < 8; ++j) b.words[j] = read_word(p + 2, j) ^ 0x80808080U;  // codes are unsigned
      return;
    case PackedFormat::kQ2_K:
      return read_q2_k(p, i, b);
    case PackedFormat::kQ3_K:
      return read_q3_k(p, i, b);
    case PackedFormat::kQ4_K:
      return read_q4_k(p, i, b);
    case PackedFormat::kQ5_K:
      return read_q5_k(p, i, b);
    case PackedFormat::kQ6_K:
      return read_q6_k(p, i, b);
    case PackedFormat::kF32:
    case PackedFormat::kF16:
    case PackedFormat::kBF16:
      return;  // not made of blocks
  }
}

/// Their values: (scale * sub-scale) * integer weight [+ minimum * sub-minimum]. Every product is exact in
/// float32, only the sum rounds: bitwise ggml's values.
void dequantize_block(PackedFormat format, const RowBlock& block, float* out);

/// The format that keeps a type's values as the file has them.
PackedFormat native_format(TensorType type);

}  // namespace pellucid::kernels
