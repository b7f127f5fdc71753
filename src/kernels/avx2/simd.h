// The vocabulary of the kernels on AVX2 with FMA and F16C: a vector of 16 lanes is two registers, lanes 0 to
// 7 and 8 to 15. Each function computes what scalar/simd.h defines. Where AVX-VNNI is allowed, bytes are
// multiplied by that.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace pellucid::kernels::avx2 {
namespace {

constexpr int kDotGroups = 1;  // groups of rows and tokens of a tile of the integer product
constexpr int kDotTokens = 4;
constexpr int kFloatGroups = 1;  // the same of the float product
constexpr int kFloatTokens = 4;
constexpr uint8_t kStreams = 4;       // runs of groups that a product of one token reads in turns
constexpr size_t kStreamAhead = 512;  // bytes further on in each that it asks for; 0: none
constexpr int kStripGroups = 2;       // groups and tokens of a tile of whole strips
constexpr int kStripTileTokens = 2;
constexpr bool kHasStrips = true;  // whether the level multiplies whole strips itself, in strips.inl
#ifdef __AVXVNNI__
constexpr StripLayout kStripLayout = StripLayout::kFours;
#else
constexpr StripLayout kStripLayout = StripLayout::kBiasedFours;
#endif
constexpr int kAttentionHeads = 4;  // heads that share loaded keys and values
constexpr int attention_vectors(int n_heads) { return n_heads < 2 ? 4 : n_heads < 3 ? 2 : 1; }  // of a tile
constexpr int kAheadPages = 1;  // of the next span that attention asks for in turns

struct F32 {
  __m256 low, high;
};
struct I32 {
  __m256i low, high;
};
struct Bytes {
  __m256i low, high;
};

/// Asks for a line, at this place among the loads: where the compiler may choose the place, all requests of a
/// block come at once.
inline void fetch_here(const std::byte* p) { asm volatile("prefetcht1 %0" : : "m"(*p) : "memory"); }

inline float fma1(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float sqrt1(float x) { return __builtin_sqrtf(x); }

inline I32 set1(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline F32 set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }

/// All bits of the lanes below n.
inline I32 lanes_below(int n) {
  const __m256i count = _mm256_set1_epi32(n);
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {_mm256_cmpgt_epi32(count, lanes),
          _mm256_cmpgt_epi32(count, _mm256_add_epi32(lanes, _mm256_set1_epi32(8)))};
}

inline F32 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
/// a, read once: GCC would rather have each multiplication read memory again.
inline F32 in_register(F32 a) {
  asm("" : "+x"(a.low), "+x"(a.high));
  return a;
}
inline F32 load_first(const float* p, int n) {
  const I32 mask = lanes_below(n);
  return {_mm256_maskload_ps(p, mask.low), _mm256_maskload_ps(p + 8, mask.high)};
}
inline void store(float* p, F32 a) {
  _mm256_storeu_ps(p, a.low);
  _mm256_storeu_ps(p + 8, a.high);
}
inline void store_first(float* p, F32 a, int n) {
  const I32 mask = lanes_below(n);
  _mm256_maskstore_ps(p, mask.low, a.low);
  _mm256_maskstore_ps(p + 8, mask.high, a.high);
}
inline F32 load_half(const void* p) {
  const auto* halves = static_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
}
inline void store_half(void* p, F32 a) {
  auto* halves = static_cast<__m128i*>(p);
  _mm_storeu_si128(halves, _mm256_cvtps_ph(a.low, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(halves + 1, _mm256_cvtps_ph(a.high, _MM_FROUND_TO_NEAREST_INT));
}
inline I32 load_words(const void* p) {
  const auto* words = static_cast<const __m128i*>(p);
  return {_mm256_cvtepu16_epi32(_mm_loadu_si128(words)), _mm256_cvtepu16_epi32(_mm_loadu_si128(words + 1))};
}
inline I32 load_int8(const std::byte* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes))};
}
inline void store_bytes(int8_t* p, I32 a) {
  const auto words = [](__m256i x) {
    x = _mm256_and_si256(x, _mm256_set1_epi32(0xFF));
    return _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  };
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words(a.low), words(a.high)));
}

inline F32 operator+(F32 a, F32 b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
inline F32 operator-(F32 a, F32 b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
inline F32 operator*(F32 a, F32 b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
inline F32 operator/(F32 a, F32 b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
inline F32 fma(F32 a, F32 b, F32 c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline F32 max(F32 a, F32 b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
inline F32 min(F32 a, F32 b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
inline F32 if_less(F32 a, F32 b, F32 then, F32 otherwise) {
  return {_mm256_blendv_ps(otherwise.low, then.low, _mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ)),
          _mm256_blendv_ps(otherwise.high, then.high, _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ))};
}
inline I32 bits(F32 a) { return {_mm256_castps_si256(a.low), _mm256_castps_si256(a.high)}; }
inline F32 from_bits(I32 a) { return {_mm256_castsi256_ps(a.low), _mm256_castsi256_ps(a.high)}; }
inline F32 keep_lanes(F32 a, int begin, int end, F32 otherwise) {
  const I32 below_begin = lanes_below(begin);
  const I32 below_end = lanes_below(end);
  const F32 mask = from_bits({_mm256_andnot_si256(below_begin.low, below_end.low),
                              _mm256_andnot_si256(below_begin.high, below_end.high)});
  return {_mm256_blendv_ps(otherwise.low, a.low, mask.low),
          _mm256_blendv_ps(otherwise.high, a.high, mask.high)};
}
inline F32 to_float(I32 a) { return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)}; }

inline I32 operator+(I32 a, I32 b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
inline I32 operator-(I32 a, I32 b) {
  return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
}
inline I32 operator*(I32 a, I32 b) {
  return {_mm256_mullo_epi32(a.low, b.low), _mm256_mullo_epi32(a.high, b.high)};
}
inline I32 operator&(I32 a, I32 b) {
  return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)};
}
inline I32 operator|(I32 a, I32 b) {
  return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
}
inline I32 max(I32 a, I32 b) { return {_mm256_max_epi32(a.low, b.low), _mm256_max_epi32(a.high, b.high)}; }
inline I32 min(I32 a, I32 b) { return {_mm256_min_epi32(a.low, b.low), _mm256_min_epi32(a.high, b.high)}; }
template <int kBits>
inline I32 shift_left(I32 a) {
  return {_mm256_slli_epi32(a.low, kBits), _mm256_slli_epi32(a.high, kBits)};
}
template <int kBits>
inline I32 shift_right(I32 a) {
  return {_mm256_srai_epi32(a.low, kBits), _mm256_srai_epi32(a.high, kBits)};
}

inline float sum(F32 a) {
  const __m256 eight = _mm256_add_ps(a.low, a.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float maximum(F32 a) {
  const __m256 eight = _mm256_max_ps(a.low, a.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
template <int kFours>
inline I32 rotated_fours(I32 a) {
  if constexpr (kFours == 2) return {a.high, a.low};
  return {_mm256_permute2x128_si256(a.low, a.high, 0x21), _mm256_permute2x128_si256(a.high, a.low, 0x21)};
}
inline float first_lane(F32 a) { return _mm256_cvtss_f32(a.low); }
inline uint32_t equal_lanes(I32 a, I32 b) {
  const auto equal = [](__m256i x, __m256i y) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(x, y))));
  };
  return equal(a.low, b.low) | equal(a.high, b.high) << 8;
}
inline I32 maximum_of_fours(I32 a) {
  const auto of_fours = [](__m256i x) {
    const __m256i two = _mm256_max_epi32(x, _mm256_shuffle_epi32(x, 0xB1));
    return _mm256_max_epi32(two, _mm256_shuffle_epi32(two, 0x4E));
  };
  return {of_fours(a.low), of_fours(a.high)};
}
inline std::array<int32_t, 2> sums(I32 a, I32 b) {
  const __m256i eight_a = _mm256_add_epi32(a.low, a.high);
  const __m256i eight_b = _mm256_add_epi32(b.low, b.high);
  const __m256i four =  // of each, in turns
      _mm256_add_epi32(_mm256_unpacklo_epi32(eight_a, eight_b), _mm256_unpackhi_epi32(eight_a, eight_b));
  const __m128i two = _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  const __m128i one = _mm_add_epi32(two, _mm_unpackhi_epi64(two, two));
  return {_mm_cvtsi128_si32(one), _mm_extract_epi32(one, 1)};
}
inline int32_t maximum(I32 a) {
  const __m256i eight = _mm256_max_epi32(a.low, a.high);
  const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 1)));
}

inline Bytes load_bytes(const std::byte* p) {
  const auto* halves = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(halves), _mm256_loadu_si256(halves + 1)};
}
inline Bytes shifted_right(Bytes a, int n) {
  const __m128i count = _mm_cvtsi32_si128(n);
  return {_mm256_srl_epi16(a.low, count), _mm256_srl_epi16(a.high, count)};
}
template <int kShift, int kMask>
inline Bytes field(Bytes a) {
  if constexpr (kShift != 0) a = {_mm256_srli_epi16(a.low, kShift), _mm256_srli_epi16(a.high, kShift)};
  const __m256i mask = _mm256_set1_epi8(kMask);
  return {_mm256_and_si256(a.low, mask), _mm256_and_si256(a.high, mask)};
}
template <int kFrom, int kTo, int kMask>
inline Bytes merge(Bytes low, Bytes high) {
  constexpr int kRight = kFrom > kTo ? kFrom - kTo : 0;
  constexpr int kLeft = kTo > kFrom ? kTo - kFrom : 0;
  if constexpr (kRight != 0)
    high = {_mm256_srli_epi16(high.low, kRight), _mm256_srli_epi16(high.high, kRight)};
  if constexpr (kLeft != 0) high = {_mm256_slli_epi16(high.low, kLeft), _mm256_slli_epi16(high.high, kLeft)};
  const __m256i mask = _mm256_set1_epi8(kMask << kTo);
  return {_mm256_or_si256(low.low, _mm256_and_si256(high.low, mask)),
          _mm256_or_si256(low.high, _mm256_and_si256(high.high, mask))};
}
inline Bytes eight_times(Bytes codes) {
  return {_mm256_slli_epi16(codes.low, 3), _mm256_slli_epi16(codes.high, 3)};
}
inline Bytes lookup(const uint8_t* table, Bytes index) {
  const __m256i values =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return {_mm256_shuffle_epi8(values, index.low), _mm256_shuffle_epi8(values, index.high)};
}

/// Four columns of x beside each other in every lane.
inline __m256i repeat_four(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

#ifdef __AVXVNNI__
template <int kBits, int kOffset>
class Dot {
 public:
  static constexpr bool kIncludesOffset = false;
  static constexpr bool kTakesEightfold = kBits <= 5;
  [[gnu::always_inline]] void start(I32 total) { total_ = total; }
  [[gnu::always_inline]] void add(I32 part) { total_ = total_ + part; }
  template <int kGroup>
  [[gnu::always_inline]] void add(const Bytes& codes, const int8_t* x) {
    const __m256i values = repeat_four(x);
    total_.low = _mm256_dpbusd_avx_epi32(total_.low, codes.low, values);
    total_.high = _mm256_dpbusd_avx_epi32(total_.high, codes.high, values);
  }
  [[nodiscard]] I32 total() const { return total_; }

 private:
  I32 total_;
};
#else
/// vpmaddubsw wants one side unsigned. Codes of up to 6 bits are, and kRun of their products fit 16 bits;
/// those of 8 bits are weights plus 128: their magnitudes, times x with the signs of the weights (|x| is at
/// most 127).
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
    const __m256i values = repeat_four(x);
    words_.low = _mm256_add_epi16(words_.low, products(codes.low, values));
    words_.high = _mm256_add_epi16(words_.high, products(codes.high, values));
    if constexpr (kRun < 8 && kGroup % kRun == kRun - 1) {
      total_ = total();
      words_ = set1(int32_t{0});
    }
  }
  [[nodiscard]] [[gnu::always_inline]] I32 total() const {
    const __m256i ones = _mm256_set1_epi16(1);
    return total_ + I32{_mm256_madd_epi16(words_.low, ones), _mm256_madd_epi16(words_.high, ones)};
  }
  /// Of one k-group of high digits, with their place.
  [[nodiscard]] [[gnu::always_inline]] static I32 high(const Bytes& codes, const int8_t* x) {
    const __m256i values = repeat_four(x);
    const __m256i factors = _mm256_set1_epi16(1 << kHighBits);
    return {_mm256_madd_epi16(products(codes.low, values), factors),
            _mm256_madd_epi16(products(codes.high, values), factors)};
  }

 private:
  static constexpr int kRun = kBits <= 4 ? 8 : kBits == 5 ? 4 : kBits == 6 ? 2 : 1;

  static __m256i products(__m256i codes, __m256i x) {
    if constexpr (kBits == 8) {
      const __m256i w = _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
      return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    } else {
      return _mm256_maddubs_epi16(codes, x);
    }
  }

  I32 words_ = set1(int32_t{0});
  I32 total_;
};
#endif

}  // namespace
}  // namespace pellucid::kernels::avx2
