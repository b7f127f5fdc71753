// The vocabulary of the kernels on AArch64: a vector of 16 lanes is four registers of four lanes. Each
// function computes what scalar/simd.h defines. Compiled twice, with the dot products of bytes that Armv8.2
// has (dotprod/table.cpp) and without.
#pragma once

#include <arm_neon.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace pellucid::kernels::neon {
namespace {

constexpr int kDotGroups = 1;  // groups of rows and tokens of a tile of the integer product
#ifdef __ARM_FEATURE_DOTPROD
constexpr int kDotTokens = 4;
#else
constexpr int kDotTokens = 2;
#endif
constexpr int kFloatGroups = 1;  // the same of the float product
constexpr int kFloatTokens = 4;
constexpr uint8_t kStreams = 1;     // runs of groups that a product of one token reads in turns
constexpr size_t kStreamAhead = 0;  // bytes further on in each that it asks for; 0: none
constexpr int kStripGroups = 1;     // groups and tokens of a tile of whole strips
constexpr int kStripTileTokens = kDotTokens;
constexpr bool kHasStrips = true;  // whether the level multiplies whole strips itself, in strips.inl
constexpr StripLayout kStripLayout = StripLayout::kFours;
constexpr int kAttentionHeads = 4;  // heads that share loaded keys and values
constexpr int attention_vectors(int n_heads) { return n_heads < 2 ? 4 : n_heads < 4 ? 2 : 1; }  // of a tile
constexpr int kAheadPages = 1;  // of the next span that attention asks for in turns

struct F32 {
  float32x4_t v[4];
};
struct I32 {
  int32x4_t v[4];
};
struct Bytes {
  uint8x16_t v[4];
};

inline void fetch_here(const std::byte* p) { __builtin_prefetch(p, 0, 2); }

inline float fma1(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float sqrt1(float x) { return __builtin_sqrtf(x); }

/// A vector of f(register 0 .. 3).
template <typename Vector, typename Function>
[[gnu::always_inline]] inline Vector each(const Function& f) {
  return {f(0), f(1), f(2), f(3)};
}

inline F32 set1(float x) {
  return each<F32>([&](int) { return vdupq_n_f32(x); });
}
inline I32 set1(int32_t x) {
  return each<I32>([&](int) { return vdupq_n_s32(x); });
}
inline F32 load(const float* p) {
  return each<F32>([&](int i) { return vld1q_f32(p + 4 * i); });
}
inline F32 in_register(F32 a) { return a; }  // a multiplication reads no memory here
inline void store(float* p, F32 a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
inline F32 load_first(const float* p, int n) {
  float lanes[kLanes] = {};
  __builtin_memcpy(lanes, p, static_cast<size_t>(n) * sizeof(float));
  return load(lanes);
}
inline void store_first(float* p, F32 a, int n) {
  float lanes[kLanes];
  store(lanes, a);
  __builtin_memcpy(p, lanes, static_cast<size_t>(n) * sizeof(float));
}
inline F32 load_half(const void* p) {
  const auto* halves = static_cast<const uint16_t*>(p);
  return each<F32>([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves + 4 * i))); });
}
inline void store_half(void* p, const F32& a) {
  auto* halves = static_cast<uint16_t*>(p);
  for (int i = 0; i < 4; ++i) vst1_u16(halves + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
}
inline I32 load_words(const void* p) {
  const auto* words = static_cast<const uint16_t*>(p);
  return each<I32>([&](int i) { return vreinterpretq_s32_u32(vmovl_u16(vld1_u16(words + 4 * i))); });
}
inline I32 load_int8(const std::byte* p) {
  const int8x16_t bytes = vld1q_s8(reinterpret_cast<const int8_t*>(p));
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes));
  const int16x8_t high = vmovl_high_s8(bytes);
  return {vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)),
          vmovl_high_s16(high)};
}
inline void store_bytes(int8_t* p, I32 a) {
  const int16x8_t low = vcombine_s16(vmovn_s32(a.v[0]), vmovn_s32(a.v[1]));
  const int16x8_t high = vcombine_s16(vmovn_s32(a.v[2]), vmovn_s32(a.v[3]));
  vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}

inline F32 operator+(F32 a, F32 b) {
  return each<F32>([&](int i) { return vaddq_f32(a.v[i], b.v[i]); });
}
inline F32 operator-(F32 a, F32 b) {
  return each<F32>([&](int i) { return vsubq_f32(a.v[i], b.v[i]); });
}
inline F32 operator*(F32 a, F32 b) {
  return each<F32>([&](int i) { return vmulq_f32(a.v[i], b.v[i]); });
}
inline F32 operator/(F32 a, F32 b) {
  return each<F32>([&](int i) { return vdivq_f32(a.v[i], b.v[i]); });
}
inline F32 fma(F32 a, F32 b, F32 c) {
  return each<F32>([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
}
// FMAX and FMIN would give NaN where either is; the contract is the second operand.
inline float32x4_t larger(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline F32 max(F32 a, F32 b) {
  return each<F32>([&](int i) { return larger(a.v[i], b.v[i]); });
}
inline F32 min(F32 a, F32 b) {
  return each<F32>([&](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
}
inline F32 if_less(F32 a, F32 b, F32 then, F32 otherwise) {
  return each<F32>([&](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), then.v[i], otherwise.v[i]); });
}
inline F32 keep_lanes(F32 a, int begin, int end, F32 otherwise) {
  const int32_t lanes[] = {0, 1, 2, 3};
  return each<F32>([&](int i) {
    const int32x4_t lane = vaddq_s32(vld1q_s32(lanes), vdupq_n_s32(4 * i));
    const uint32x4_t kept = vandq_u32(vcgeq_s32(lane, vdupq_n_s32(begin)), vcltq_s32(lane, vdupq_n_s32(end)));
    return vbslq_f32(kept, a.v[i], otherwise.v[i]);
  });
}
inline I32 bits(F32 a) {
  return each<I32>([&](int i) { return vreinterpretq_s32_f32(a.v[i]); });
}
inline F32 from_bits(I32 a) {
  return each<F32>([&](int i) { return vreinterpretq_f32_s32(a.v[i]); });
}
inline F32 to_float(I32 a) {
  return each<F32>([&](int i) { return vcvtq_f32_s32(a.v[i]); });
}

inline I32 operator+(I32 a, I32 b) {
  return each<I32>([&](int i) { return vaddq_s32(a.v[i], b.v[i]); });
}
inline I32 operator-(I32 a, I32 b) {
  return each<I32>([&](int i) { return vsubq_s32(a.v[i], b.v[i]); });
}
inline I32 operator*(I32 a, I32 b) {
  return each<I32>([&](int i) { return vmulq_s32(a.v[i], b.v[i]); });
}
inline I32 operator&(I32 a, I32 b) {
  return each<I32>([&](int i) { return vandq_s32(a.v[i], b.v[i]); });
}
inline I32 operator|(I32 a, I32 b) {
  return each<I32>([&](int i) { return vorrq_s32(a.v[i], b.v[i]); });
}
inline I32 max(I32 a, I32 b) {
  return each<I32>([&](int i) { return vmaxq_s32(a.v[i], b.v[i]); });
}
inline I32 min(I32 a, I32 b) {
  return each<I32>([&](int i) { return vminq_s32(a.v[i], b.v[i]); });
}
template <int kBits>
inline I32 shift_left(I32 a) {
  return each<I32>([&](int i) { return vshlq_n_s32(a.v[i], kBits); });
}
template <int kBits>
inline I32 shift_right(I32 a) {
  return each<I32>([&](int i) { return vshrq_n_s32(a.v[i], kBits); });
}
inline float sum(F32 a) {
  const float32x4_t four = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
inline float maximum(F32 a) {
  const float32x4_t four = larger(larger(a.v[0], a.v[2]), larger(a.v[1], a.v[3]));
  const float32x4_t two = larger(four, vextq_f32(four, four, 2));
  return vgetq_lane_f32(larger(two, vextq_f32(two, two, 1)), 0);
}
template <int kFours>
inline I32 rotated_fours(I32 a) {
  return each<I32>([&](int i) { return a.v[(i + kFours) % 4]; });
}
inline float first_lane(F32 a) { return vgetq_lane_f32(a.v[0], 0); }
inline uint32_t equal_lanes(I32 a, I32 b) {
  constexpr uint32_t kBits[4] = {1, 2, 4, 8};
  uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) {
    bits |= vaddvq_u32(vandq_u32(vceqq_s32(a.v[i], b.v[i]), vld1q_u32(kBits))) << (4 * i);
  }
  return bits;
}
inline I32 maximum_of_fours(I32 a) {
  return each<I32>([&](int i) { return vdupq_n_s32(vmaxvq_s32(a.v[i])); });
}
inline std::array<int32_t, 2> sums(I32 a, I32 b) {
  const auto sum = [](I32 x) {
    return vaddvq_s32(vaddq_s32(vaddq_s32(x.v[0], x.v[1]), vaddq_s32(x.v[2], x.v[3])));
  };
  return {sum(a), sum(b)};
}
inline int32_t maximum(I32 a) {
  return vmaxvq_s32(vmaxq_s32(vmaxq_s32(a.v[0], a.v[1]), vmaxq_s32(a.v[2], a.v[3])));
}

inline Bytes load_bytes(const std::byte* p) {
  return each<Bytes>([&](int i) { return vld1q_u8(reinterpret_cast<const uint8_t*>(p) + 16 * i); });
}
/// Per byte: a shifted right, or left where kShift is negative.
template <int kShift>
inline uint8x16_t shifted(uint8x16_t a) {
  if constexpr (kShift > 0) return vshrq_n_u8(a, kShift);
  if constexpr (kShift < 0) return vshlq_n_u8(a, -kShift);
  return a;
}
inline Bytes shifted_right(Bytes a, int n) {
  return each<Bytes>([&](int i) { return vshlq_u8(a.v[i], vdupq_n_s8(static_cast<int8_t>(-n))); });
}
template <int kShift, int kMask>
inline Bytes field(Bytes a) {
  return each<Bytes>([&](int i) {
    const uint8x16_t at_bit_0 = shifted<kShift>(a.v[i]);
    return kMask == 0xFF >> kShift ? at_bit_0 : vandq_u8(at_bit_0, vdupq_n_u8(kMask));
  });
}
template <int kFrom, int kTo, int kMask>
inline Bytes merge(Bytes low, Bytes high) {
  return each<Bytes>([&](int i) {
    return vorrq_u8(low.v[i], vandq_u8(shifted<kFrom - kTo>(high.v[i]), vdupq_n_u8(kMask << kTo)));
  });
}
inline Bytes eight_times(Bytes codes) {
  return each<Bytes>([&](int i) { return vshlq_n_u8(codes.v[i], 3); });
}
inline Bytes lookup(const uint8_t* table, Bytes index) {
  return each<Bytes>([&](int i) { return vqtbl1q_u8(vld1q_u8(table), index.v[i]); });
}

/// Codes of up to 6 bits are signed bytes as they are; those of 8 bits are once their offset is taken out.
template <int kBits>
inline int8x16_t signed_codes(uint8x16_t codes) {
  return vreinterpretq_s8_u8(kBits == 8 ? veorq_u8(codes, vdupq_n_u8(128)) : codes);
}
inline int8x16_t repeat_four(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

#ifdef __ARM_FEATURE_DOTPROD
template <int kBits, int kOffset>
class Dot {
 public:
  static constexpr bool kIncludesOffset = kBits == 8;
  static constexpr bool kTakesEightfold = kBits <= 4;  // they are signed
  static_assert(kBits <= 6 || kOffset == 128);

  [[gnu::always_inline]] void start(I32 total) { total_ = total; }
  [[gnu::always_inline]] void add(I32 part) { total_ = total_ + part; }
  template <int kGroup>
  [[gnu::always_inline]] void add(const Bytes& codes, const int8_t* x) {
    const int8x16_t values = repeat_four(x);
    for (int i = 0; i < 4; ++i) total_.v[i] = vdotq_s32(total_.v[i], signed_codes<kBits>(codes.v[i]), values);
  }
  [[nodiscard]] I32 total() const { return total_; }

 private:
  I32 total_;
};
#else
/// kRun products fit 16 bits.
template <int kBits, int kOffset>
class Dot {
 public:
  static constexpr bool kIncludesOffset = kBits == 8;
  static constexpr bool kTakesEightfold = false;
  static_assert(kBits <= 6 || kOffset == 128);

  [[gnu::always_inline]] void start(I32 total) { total_ = total; }
  [[gnu::always_inline]] void add(I32 part) { total_ = total_ + part; }
  template <int kGroup>
  [[gnu::always_inline]] void add(const Bytes& codes, const int8_t* x) {
    const int8x16_t values = repeat_four(x);
    for (int i = 0; i < 4; ++i) {
      const int8x16_t w = signed_codes<kBits>(codes.v[i]);
      words_[i].low = vmlal_s8(words_[i].low, vget_low_s8(w), vget_low_s8(values));
      words_[i].high = vmlal_high_s8(words_[i].high, w, values);
    }
    if constexpr (kRun < 8 && kGroup % kRun == kRun - 1) {
      total_ = total();
      for (Words& words : words_) words = {};
    }
  }
  [[nodiscard]] [[gnu::always_inline]] I32 total() const {
    return total_ + each<I32>([&](int i) {
             return vpaddq_s32(vpaddlq_s16(words_[i].low), vpaddlq_s16(words_[i].high));
           });
  }

 private:
  static constexpr int kRun = kBits <= 5 ? 8 : kBits == 6 ? 4 : 2;
  struct Words {  // of two rows each
    int16x8_t low = vdupq_n_s16(0);
    int16x8_t high = vdupq_n_s16(0);
  };

  Words words_[4];
  I32 total_;
};
#endif

}  // namespace
}  // namespace pellucid::kernels::neon
