#include "kernels/source_block.h"

#include <cstring>

#include "kernels/format.h"

namespace pellucid::kernels {
namespace {

uint16_t read_half(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }
uint16_t negate_half(uint16_t half) { return half ^ 0x8000; }
uint8_t byte(int value) { return static_cast<uint8_t>(value); }

// 16 bytes -> 32 codes: low nibbles first.
void read_nibbles(const uint8_t* qs, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = qs[i] & 15;
    codes[i + 16] = qs[i] >> 4;
  }
}

// Bit i of a little-endian 32-bit word is bit 4 of code i.
void read_fifth_bits(const uint8_t* qh, uint8_t* codes) {
  for (int i = 0; i < 32; ++i) codes[i] = byte(codes[i] | (qh[i / 8] >> (i % 8) & 1) << 4);
}

void read_q8(const uint8_t* p, SourceBlock& b) {
  b.scale = read_half(p);
  for (int i = 0; i < 32; ++i) b.codes[i] = p[2 + i] ^ 0x80;
}

// Eight 6-bit scales and eight 6-bit minimums in 12 bytes (Q4_K, Q5_K).
void read_packed_scales(const uint8_t* p, uint8_t* subs) {
  for (int i = 0; i < 4; ++i) {
    subs[2 * i] = p[i] & 63;
    subs[2 * i + 1] = p[i + 4] & 63;
    subs[2 * i + 8] = byte((p[i + 8] & 15) | (p[i] >> 6) << 4);
    subs[2 * i + 9] = byte(p[i + 8] >> 4 | (p[i + 4] >> 6) << 4);
  }
}

// 128 bytes -> 256 codes: each 32 bytes hold 64 codes, low nibbles first.
void read_super_nibbles(const uint8_t* qs, uint8_t* codes) {
  for (int j = 0; j < 4; ++j) {
    for (int i = 0; i < 32; ++i) {
      codes[64 * j + i] = qs[32 * j + i] & 15;
      codes[64 * j + 32 + i] = qs[32 * j + i] >> 4;
    }
  }
}

// 64 bytes -> 256 codes of two bits: each 32 bytes hold 4 runs of 32.
void read_super_pairs(const uint8_t* qs, uint8_t* codes) {
  for (int j = 0; j < 8; ++j) {
    for (int i = 0; i < 32; ++i) codes[32 * j + i] = qs[32 * (j / 4) + i] >> (2 * (j % 4)) & 3;
  }
}

// Bit j of byte i is bit `position` of code 32 j + i.
void read_super_bits(const uint8_t* bits, int position, uint8_t* codes) {
  for (int j = 0; j < 8; ++j) {
    for (int i = 0; i < 32; ++i) codes[32 * j + i] = byte(codes[32 * j + i] | (bits[i] >> j & 1) << position);
  }
}

void read_q2_k(const uint8_t* p, SourceBlock& b) {
  std::memcpy(b.subs, p, 16);
  read_super_pairs(p + 16, b.codes);
  b.scale = read_half(p + 80);
  b.minimum = negate_half(read_half(p + 82));
}

void read_q3_k(const uint8_t* p, SourceBlock& b) {
  read_super_pairs(p + 32, b.codes);
  read_super_bits(p, 2, b.codes);
  const uint8_t* scales = p + 96;
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? scales[i] & 15 : scales[i - 8] >> 4;
    const int high = scales[8 + i % 4] >> (2 * (i / 4)) & 3;
    b.subs[i] = byte((low | high << 4) - 32);
  }
  b.scale = read_half(p + 108);
}

void read_q4_k(const uint8_t* p, SourceBlock& b) {
  b.scale = read_half(p);
  b.minimum = negate_half(read_half(p + 2));
  read_packed_scales(p + 4, b.subs);
  read_super_nibbles(p + 16, b.codes);
}

void read_q5_k(const uint8_t* p, SourceBlock& b) {
  b.scale = read_half(p);
  b.minimum = negate_half(read_half(p + 2));
  read_packed_scales(p + 4, b.subs);
  read_super_nibbles(p + 48, b.codes);
  read_super_bits(p + 16, 4, b.codes);
}

void read_q6_k(const uint8_t* p, SourceBlock& b) {
  for (int j = 0; j < 8; ++j) {  // run j of 32: nibbles of ql, bits 2 (j % 4) of qh
    const uint8_t* ql = p + 64 * (j / 4) + 32 * (j % 2);
    const uint8_t* qh = p + 128 + 32 * (j / 4);
    const int nibble = j % 4 / 2 * 4;
    for (int i = 0; i < 32; ++i) {
      b.codes[32 * j + i] = byte((ql[i] >> nibble & 15) | (qh[i] >> (2 * (j % 4)) & 3) << 4);
    }
  }
  std::memcpy(b.subs, p + 192, 16);
  b.scale = read_half(p + 208);
}

}  // namespace

void read_block(PackedFormat format, const std::byte* source, SourceBlock& block) {
  const auto* p = reinterpret_cast<const uint8_t*>(source);
  block.scale = read_half(p);
  block.minimum = 0;
  switch (format) {
    case PackedFormat::kQ4_0:
    case PackedFormat::kIQ4_NL:
      return read_nibbles(p + 2, block.codes);
    case PackedFormat::kQ4_1:
      block.minimum = read_half(p + 2);
      return read_nibbles(p + 4, block.codes);
    case PackedFormat::kQ5_0:
      read_nibbles(p + 6, block.codes);
      return read_fifth_bits(p + 2, block.codes);
    case PackedFormat::kQ5_1:
      block.minimum = read_half(p + 2);
      read_nibbles(p + 8, block.codes);
      return read_fifth_bits(p + 4, block.codes);
    case PackedFormat::kQ8_0:
      return read_q8(p, block);
    case PackedFormat::kQ2_K:
      return read_q2_k(p, block);
    case PackedFormat::kQ3_K:
      return read_q3_k(p, block);
    case PackedFormat::kQ4_K:
      return read_q4_k(p, block);
    case PackedFormat::kQ5_K:
      return read_q5_k(p, block);
    case PackedFormat::kQ6_K:
      return read_q6_k(p, block);
    case PackedFormat::kF32:
    case PackedFormat::kF16:
    case PackedFormat::kBF16:
      return;  // not made of blocks
  }
}

void dequantize_block(PackedFormat format, const uint8_t* codes, float scale, float minimum,
                      const uint8_t* subs, float* out) {
  const FormatRow& row = format_row(format);
  float scales[2] = {scale, scale};
  float minimums[2] = {minimum, minimum};
  for (int half = 0; half < 2; ++half) {
    switch (row.subs) {
      case SubScales::kNone:
        break;
      case SubScales::kScaleMin:
        scales[half] *= static_cast<float>(subs[0]);
        minimums[half] *= static_cast<float>(subs[1]);
        break;
      case SubScales::kHalves:
        scales[half] *= static_cast<float>(static_cast<int8_t>(subs[half]));
        break;
      case SubScales::kHalvesMin:
        scales[half] *= static_cast<float>(subs[half] & 15);
        minimums[half] *= static_cast<float>(subs[half] >> 4);
        break;
    }
  }
  for (int i = 0; i < kBlockValues; ++i) {
    const int code = format == PackedFormat::kIQ4_NL ? kIq4NlValues[codes[i] & 15] : codes[i];
    const float value = scales[i / 16] * static_cast<float>(code - row.offset);
    out[i] = row.has_minimum ? value + minimums[i / 16] : value;
  }
}

PackedFormat native_format(TensorType type) {
  for (int i = 0; i < kFormatCount; ++i) {
    if (kFormats[i].type == type) return static_cast<PackedFormat>(i);
  }
  return PackedFormat::kF32;
}

}  // namespace pellucid::kernels
