// The vocabulary of the kernels on AVX-512 (F, BW, DQ, VL, VNNI): a vector of 16 lanes is one register.
// Each function computes what scalar/simd.h defines.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace pellucid::kernels::avx512 {
namespace {

constexpr int kDotGroups = 2;  // groups of rows and tokens of a tile of the integer product
constexpr int kDotTokens = 4;
constexpr int kFloatGroups = 4;  // the same of the float product
constexpr int kFloatTokens = 4;
constexpr uint8_t kStreams = 4;        // runs of groups that a product of one token reads in turns, or one
constexpr size_t kStreamAhead = 2048;  // bytes further on in each that it asks for; 0: none
constexpr int kStripGroups = 2;        // groups and tokens of a tile of whole strips
constexpr int kStripTileTokens = 4;
constexpr bool kHasStrips = true;  // whether the level multiplies whole strips itself, in strips.inl
#ifdef PELLUCID_TILES
constexpr StripLayout kStripLayout = StripLayout::kTiles;
#else
constexpr StripLayout kStripLayout = StripLayout::kFours;
#endif
constexpr int kAttentionHeads = 4;                  // heads that share loaded keys and values
constexpr int attention_vectors(int) { return 4; }  // of a tile
// The pages of the next span that attention asks for in turns: 1, or as many as a span has at most.
#ifdef PELLUCID_TILES
constexpr int kAheadPages = 4;
#else
constexpr int kAheadPages = 1;
#endif

struct F32 {
  __m512 v;
};
struct I32 {
  __m512i v;
};
struct Bytes {
  __m512i v;
};

inline void fetch_here(const std::byte* p) { __builtin_prefetch(p, 0, 2); }

inline float fma1(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float sqrt1(float x) { return __builtin_sqrtf(x); }

/// A mask of the lanes below n.
inline __mmask16 lanes_below(int n) {
  return static_cast<__mmask16>(n >= 16 ? 0xFFFFU : n <= 0 ? 0U : (1U << static_cast<unsigned>(n)) - 1U);
}

inline F32 set1(float x) { return {_mm512_set1_ps(x)}; }
inline I32 set1(int32_t x) { return {_mm512_set1_epi32(x)}; }
inline F32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
/// a, read once: GCC would rather have each multiplication read memory again.
inline F32 in_register(F32 a) {
  asm("" : "+v"(a.v));
  return a;
}
inline F32 load_first(const float* p, int n) { return {_mm512_maskz_loadu_ps(lanes_below(n), p)}; }
inline void store(float* p, F32 a) { _mm512_storeu_ps(p, a.v); }
inline void store_first(float* p, F32 a, int n) { _mm512_mask_storeu_ps(p, lanes_below(n), a.v); }
inline F32 load_half(const void* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
inline void store_half(void* p, F32 a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
inline I32 load_words(const void* p) {
  return {_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
inline I32 load_int8(const std::byte* p) {
  return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline void store_bytes(int8_t* p, I32 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}

inline F32 operator+(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F32 operator-(F32 a, F32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F32 operator*(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F32 operator/(F32 a, F32 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F32 fma(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F32 max(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F32 min(F32 a, F32 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F32 if_less(F32 a, F32 b, F32 then, F32 otherwise) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), otherwise.v, then.v)};
}
inline F32 keep_lanes(F32 a, int begin, int end, F32 otherwise) {
  const auto mask = static_cast<__mmask16>(lanes_below(end) & ~lanes_below(begin));
  return {_mm512_mask_blend_ps(mask, otherwise.v, a.v)};
}
inline I32 bits(F32 a) { return {_mm512_castps_si512(a.v)}; }
inline F32 from_bits(I32 a) { return {_mm512_castsi512_ps(a.v)}; }
inline F32 to_float(I32 a) { return {_mm512_cvtepi32_ps(a.v)}; }

inline I32 operator+(I32 a, I32 b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline I32 operator-(I32 a, I32 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
inline I32 operator*(I32 a, I32 b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
inline I32 operator&(I32 a, I32 b) { return {_mm512_and_si512(a.v, b.v)}; }
inline I32 operator|(I32 a, I32 b) { return {_mm512_or_si512(a.v, b.v)}; }
inline I32 max(I32 a, I32 b) { return {_mm512_max_epi32(a.v, b.v)}; }
inline I32 min(I32 a, I32 b) { return {_mm512_min_epi32(a.v, b.v)}; }
template <int kBits>
inline I32 shift_left(I32 a) {
  return {_mm512_slli_epi32(a.v, kBits)};
}
template <int kBits>
inline I32 shift_right(I32 a) {
  return {_mm512_srai_epi32(a.v, kBits)};
}

inline float sum(F32 a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float maximum(F32 a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
template <int kFours>
inline I32 rotated_fours(I32 a) {
  return {_mm512_shuffle_i32x4(a.v, a.v, kFours == 1 ? 0x39 : 0x4E)};
}
inline float first_lane(F32 a) { return _mm512_cvtss_f32(a.v); }
inline uint32_t equal_lanes(I32 a, I32 b) { return _mm512_cmpeq_epi32_mask(a.v, b.v); }
inline I32 maximum_of_fours(I32 a) {
  const __m512i two = _mm512_max_epi32(a.v, _mm512_shuffle_epi32(a.v, _MM_PERM_CDAB));
  return {_mm512_max_epi32(two, _mm512_shuffle_epi32(two, _MM_PERM_BADC))};
}
inline std::array<int32_t, 2> sums(I32 a, I32 b) {
  const __m512i eight = _mm512_add_epi32(_mm512_unpacklo_epi32(a.v, b.v), _mm512_unpackhi_epi32(a.v, b.v));
  const __m256i four =
      _mm256_add_epi32(_mm512_castsi512_si256(eight), _mm512_extracti64x4_epi64(eight, 1));  // in turns
  const __m128i two = _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  const __m128i one = _mm_add_epi32(two, _mm_unpackhi_epi64(two, two));
  return {_mm_cvtsi128_si32(one), _mm_extract_epi32(one, 1)};
}
inline int32_t maximum(I32 a) { return _mm512_reduce_max_epi32(a.v); }

inline Bytes load_bytes(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
inline Bytes shifted_right(Bytes a, int n) { return {_mm512_srl_epi16(a.v, _mm_cvtsi32_si128(n))}; }
template <int kShift, int kMask>
inline Bytes field(Bytes a) {
  if constexpr (kShift != 0) a.v = _mm512_srli_epi16(a.v, kShift);
  return {_mm512_and_si512(a.v, _mm512_set1_epi8(kMask))};
}
template <int kFrom, int kTo, int kMask>
inline Bytes merge(Bytes low, Bytes high) {
  if constexpr (kFrom > kTo) high.v = _mm512_srli_epi16(high.v, kFrom - kTo);
  if constexpr (kFrom < kTo) high.v = _mm512_slli_epi16(high.v, kTo - kFrom);
  constexpr int kLowOrHighAndMask = 0xF8;
  return {_mm512_ternarylogic_epi32(low.v, high.v, _mm512_set1_epi8(kMask << kTo), kLowOrHighAndMask)};
}
inline Bytes eight_times(Bytes codes) { return {_mm512_slli_epi16(codes.v, 3)}; }
inline Bytes lookup(const uint8_t* table, Bytes index) {
  const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), index.v)};
}

template <int kBits, int kOffset>
class Dot {
 public:
  static constexpr bool kIncludesOffset = false;
  static constexpr bool kTakesEightfold = kBits <= 5;
  [[gnu::always_inline]] void start(I32 total) { total_ = total.v; }
  [[gnu::always_inline]] void add(I32 part) { total_ = _mm512_add_epi32(total_, part.v); }
  template <int kGroup>
  [[gnu::always_inline]] void add(const Bytes& codes, const int8_t* x) {
    int32_t four;
    __builtin_memcpy(&four, x, sizeof(four));
    total_ = _mm512_dpbusd_epi32(total_, codes.v, _mm512_set1_epi32(four));
  }
  [[nodiscard]] I32 total() const { return {total_}; }

 private:
  __m512i total_;
};

}  // namespace
}  // namespace pellucid::kernels::avx512
