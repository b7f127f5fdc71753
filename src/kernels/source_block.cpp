#include "kernels/source_block.h"

namespace pellucid::kernels {
namespace {

// The 32 codes of a row's words.
void codes_of(const uint32_t* words, int code_bits, uint8_t* codes) {
  using namespace source;
  const int low = high_plane_bytes(code_bits) / 64;  // the first word of the low bits
  for (int j = 0; j < 8; ++j) {
    const auto pair = [&](int first) { return words[first + j / 4] >> (2 * (j % 4)) & kPair; };
    const auto high_bit = [&] { return words[0] >> j & kLowBit; };
    uint32_t four = 0;
    if (code_bits == 8) {
      four = words[j];
    } else if (code_bits >= 4) {
      four = words[low + j % 4] >> (j / 4 * 4) & kNibble;
      if (code_bits == 5) four |= high_bit() << 4;
      if (code_bits == 6) four |= pair(0) << 4;
    } else {
      four = pair(low);
      if (code_bits == 3) four |= high_bit() << 2;
    }
    std::memcpy(codes + 4 * j, &four, sizeof(four));
  }
}

}  // namespace

void dequantize_block(PackedFormat format, const RowBlock& block, float* out) {
  const FormatRow& row = format_row(format);
  const float scale = half_to_float(block.scale);
  const float minimum = half_to_float(block.minimum);
  const uint8_t* subs = block.subs;
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
  uint8_t codes[kBlockValues];
  codes_of(block.words, row.code_bits, codes);
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
