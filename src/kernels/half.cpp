// IEEE 754 binary16 <-> binary32 in integer arithmetic: what VCVTPH2PS and VCVTPS2PH compute.
#include <bit>

#include "kernels/packed.h"

namespace pellucid::kernels {

float half_to_float(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000U} << 16;
  const uint32_t exponent = half >> 10 & 31U;
  const uint32_t mantissa = half & 1023U;
  if (exponent == 31) {  // infinity, or NaN made quiet
    return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13 | (mantissa != 0 ? 0x400000U : 0U));
  }
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24, exact
    return std::bit_cast<float>(std::bit_cast<uint32_t>(static_cast<float>(mantissa) * 0x1p-24F) | sign);
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000U;
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  uint32_t half = 0;
  if (magnitude > 0x7F800000U) {  // NaN: quiet, the high bits of its payload kept
    half = 0x7E00U | (magnitude >> 13 & 1023U);
  } else if (magnitude >= 0x47800000U) {  // 2^16 and more, infinity
    half = 0x7C00U;
  } else if (magnitude < 0x38800000U) {  // below 2^-14: a multiple of 2^-24, rounded by the addition
    half = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F000000U;
  } else {  // drop 13 bits to nearest even; a carry runs into the exponent, up to infinity
    half = (magnitude - 0x38000000U + 0xFFFU + (magnitude >> 13 & 1U)) >> 13;
  }
  return static_cast<uint16_t>(sign | half);
}

}  // namespace pellucid::kernels
