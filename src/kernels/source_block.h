// The blocks of ggml's quantised types taken apart: integer codes, scales and sub-scales. Each format is
// defined once, here; decoding and packing both start from it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/packed.h"

namespace pellucid::kernels {

struct SourceBlock {
  uint16_t scale;  // float16
  uint16_t
      minimum;  // float16, the number that is added (K types: the sign of dmin turned); 0 if there is none
  uint8_t codes[256];  // in the order of the columns; block_values of the type are filled
  uint8_t subs[16];    // per block of 32: the two bytes of format.h's SubScales
};

/// Takes one block of a quantised type apart.
void read_block(PackedFormat format, const std::byte* source, SourceBlock& block);

/// The values of one block of 32: (scale * sub-scale) * integer weight [+ minimum * sub-minimum]. Every
/// product is exact in float32, only the sum rounds: bitwise ggml's values.
void dequantize_block(PackedFormat format, const uint8_t* codes, float scale, float minimum,
                      const uint8_t* subs, float* out);

/// The format that keeps a type's values as the file has them.
PackedFormat native_format(TensorType type);

}  // namespace pellucid::kernels
