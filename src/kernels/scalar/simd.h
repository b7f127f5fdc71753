// The vocabulary of the kernels at the scalar level: 16 lanes as plain loops, the readable definition of what
// every other level computes. Only IEEE operations and exact integers, so all levels give the same bits.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/table.h"

namespace pellucid::kernels::scalar {
namespace {

constexpr int kDotGroups = 1;  // groups of rows and tokens of a tile of the integer product
constexpr int kDotTokens = 2;
constexpr int kFloatGroups = 1;  // the same of the float product
constexpr int kFloatTokens = 1;
constexpr uint8_t kStreams = 1;     // runs of groups that a product of one token reads in turns
constexpr size_t kStreamAhead = 0;  // bytes further on in each that it asks for; 0: none
constexpr bool kHasStrips = false;  // whether the level multiplies whole strips itself, in strips.inl
constexpr StripLayout kStripLayout = StripLayout::kFours;
constexpr int kAttentionHeads = 1;                  // heads that share loaded keys and values
constexpr int attention_vectors(int) { return 1; }  // of a tile
constexpr int kAheadPages = 1;                      // of the next span that attention asks for in turns

struct F32 {
  float v[16];
};
struct I32 {
  int32_t v[16];
};
struct Bytes {
  uint8_t v[64];
};

/// Asks for a line of memory, at this place among the loads.
inline void fetch_here(const std::byte* p) { __builtin_prefetch(p, 0, 2); }

// The correctly rounded a * b + c without an FMA instruction. The product is exact in double; the sum is
// rounded to odd there, so that rounding it again to float is as if done once (Boldo and Melquiond 2008).
inline float fma1(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double addend = c;
  const double sum = product + addend;
  const double part = sum - product;
  const double error = (product - (sum - part)) + (addend - part);  // sum + error is exact (Knuth's TwoSum)
  auto bits = std::bit_cast<int64_t>(sum);
  const bool inexact = error > 0 || error < 0;  // NaN after an infinity: leave the sum alone
  const int64_t toward = (error > 0) == (sum > 0) ? 1 : -1;
  if (inexact && (bits & 1) == 0) bits += toward;
  return static_cast<float>(std::bit_cast<double>(bits));
}
inline float sqrt1(float x) { return __builtin_sqrtf(x); }

template <typename Function>
inline F32 each(Function f) {
  F32 r;
  for (int i = 0; i < 16; ++i) r.v[i] = f(i);
  return r;
}
template <typename Function>
inline I32 each_int(Function f) {
  I32 r;
  for (int i = 0; i < 16; ++i) r.v[i] = static_cast<int32_t>(f(i));
  return r;
}
inline uint32_t word(int32_t x) { return static_cast<uint32_t>(x); }  // wraps where int32_t would not

inline F32 set1(float x) {
  return each([&](int) { return x; });
}
inline I32 set1(int32_t x) {
  return each_int([&](int) { return x; });
}
inline F32 load(const float* p) {
  return each([&](int i) { return p[i]; });
}
inline F32 in_register(F32 a) { return a; }     // no meaning here
inline F32 load_first(const float* p, int n) {  // lanes from n on are 0
  return each([&](int i) { return i < n ? p[i] : 0.0F; });
}
inline void store(float* p, F32 a) { std::memcpy(p, a.v, sizeof(a)); }
inline void store_first(float* p, F32 a, int n) {
  for (int i = 0; i < 16 && i < n; ++i) p[i] = a.v[i];
}
inline F32 load_half(const void* p) {
  uint16_t h[16];
  std::memcpy(h, p, sizeof(h));
  return each([&](int i) { return half_to_float(h[i]); });
}
inline void store_half(void* p, const F32& a) {
  uint16_t h[16];
  for (int i = 0; i < 16; ++i) h[i] = float_to_half(a.v[i]);
  std::memcpy(p, h, sizeof(h));
}
inline I32 load_words(const void* p) {  // uint16 -> int32
  uint16_t h[16];
  std::memcpy(h, p, sizeof(h));
  return each_int([&](int i) { return h[i]; });
}
inline I32 load_int8(const std::byte* p) {
  int8_t v[16];
  std::memcpy(v, p, sizeof(v));
  return each_int([&](int i) { return +v[i]; });  // an int
}
inline void store_bytes(int8_t* p, I32 a) {  // the last 8 bits of each
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.v[i]);
}

inline F32 operator+(F32 a, F32 b) {
  return each([&](int i) { return a.v[i] + b.v[i]; });
}
inline F32 operator-(F32 a, F32 b) {
  return each([&](int i) { return a.v[i] - b.v[i]; });
}
inline F32 operator*(F32 a, F32 b) {
  return each([&](int i) { return a.v[i] * b.v[i]; });
}
inline F32 operator/(F32 a, F32 b) {
  return each([&](int i) { return a.v[i] / b.v[i]; });
}
inline F32 fma(F32 a, F32 b, F32 c) {
  return each([&](int i) { return fma1(a.v[i], b.v[i], c.v[i]); });
}
// The second operand where either is NaN, as MINPS and MAXPS.
inline F32 max(F32 a, F32 b) {
  return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline F32 min(F32 a, F32 b) {
  return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline F32 if_less(F32 a, F32 b, F32 then, F32 otherwise) {  // NaN: otherwise
  return each([&](int i) { return a.v[i] < b.v[i] ? then.v[i] : otherwise.v[i]; });
}
inline F32 keep_lanes(F32 a, int begin, int end, F32 otherwise) {
  return each([&](int i) { return i >= begin && i < end ? a.v[i] : otherwise.v[i]; });
}
inline I32 bits(F32 a) { return std::bit_cast<I32>(a); }
inline F32 from_bits(I32 a) { return std::bit_cast<F32>(a); }
inline F32 to_float(I32 a) {
  return each([&](int i) { return static_cast<float>(a.v[i]); });
}

inline I32 operator+(I32 a, I32 b) {
  return each_int([&](int i) { return word(a.v[i]) + word(b.v[i]); });
}
inline I32 operator-(I32 a, I32 b) {
  return each_int([&](int i) { return word(a.v[i]) - word(b.v[i]); });
}
inline I32 operator*(I32 a, I32 b) {
  return each_int([&](int i) { return word(a.v[i]) * word(b.v[i]); });
}
inline I32 operator&(I32 a, I32 b) {
  return each_int([&](int i) { return a.v[i] & b.v[i]; });
}
inline I32 operator|(I32 a, I32 b) {
  return each_int([&](int i) { return a.v[i] | b.v[i]; });
}
inline I32 max(I32 a, I32 b) {
  return each_int([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline I32 min(I32 a, I32 b) {
  return each_int([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
template <int kBits>
inline I32 shift_left(I32 a) {
  return each_int([&](int i) { return word(a.v[i]) << kBits; });
}
template <int kBits>
inline I32 shift_right(I32 a) {  // arithmetic
  return each_int([&](int i) { return a.v[i] >> kBits; });
}

// The one tree of every sum: lanes i and i + 8, then + 4, + 2, + 1.
inline float sum(F32 a) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) a.v[i] += a.v[i + width];
  }
  return a.v[0];
}
inline float maximum(F32 a) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) a.v[i] = a.v[i] > a.v[i + width] ? a.v[i] : a.v[i + width];
  }
  return a.v[0];
}
template <int kFours>
inline I32 rotated_fours(I32 a) {  // lanes 4 * kFours and up come first
  I32 r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[(i + 4 * kFours) % 16];
  return r;
}
inline float first_lane(F32 a) { return a.v[0]; }
inline uint32_t equal_lanes(I32 a, I32 b) {  // one bit each
  uint32_t bits = 0;
  for (int i = 0; i < 16; ++i) bits |= static_cast<uint32_t>(a.v[i] == b.v[i]) << i;
  return bits;
}
inline I32 maximum_of_fours(I32 a) {  // each lane has that of the four it is one of
  I32 r;
  for (int i = 0; i < 16; ++i) {
    const int32_t* four = a.v + i / 4 * 4;
    r.v[i] = four[0];
    for (int k = 1; k < 4; ++k) r.v[i] = four[k] > r.v[i] ? four[k] : r.v[i];
  }
  return r;
}
inline std::array<int32_t, 2> sums(I32 a, I32 b) {  // of each
  std::array<int32_t, 2> totals{};
  for (int i = 0; i < 16; ++i) {
    totals[0] += a.v[i];
    totals[1] += b.v[i];
  }
  return totals;
}
inline int32_t maximum(I32 a) {
  int32_t best = a.v[0];
  for (const int32_t x : a.v) best = x > best ? x : best;
  return best;
}

inline Bytes load_bytes(const std::byte* p) {
  Bytes r;
  std::memcpy(r.v, p, sizeof(r));
  return r;
}
inline Bytes shifted_right(Bytes a, int n) {  // per byte, but for bits that may come from its neighbour
  for (uint8_t& byte : a.v) byte = static_cast<uint8_t>(byte >> n);
  return a;
}
template <int kShift, int kMask>
inline Bytes field(Bytes a) {  // per byte: a >> kShift & kMask
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = static_cast<uint8_t>(a.v[i] >> kShift & kMask);
  return r;
}
template <int kFrom, int kTo, int kMask>
inline Bytes merge(Bytes low, Bytes high) {  // per byte: low | (high >> kFrom & kMask) << kTo
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = static_cast<uint8_t>(low.v[i] | (high.v[i] >> kFrom & kMask) << kTo);
  return r;
}
inline Bytes eight_times(Bytes codes) {  // of at most 5 bits
  for (uint8_t& byte : codes.v) byte = static_cast<uint8_t>(byte << 3);
  return codes;
}
inline Bytes lookup(const uint8_t* table, Bytes index) {  // index < 16
  Bytes r;
  for (int i = 0; i < 64; ++i) r.v[i] = table[index.v[i] & 15];
  return r;
}

// Sums k-groups of (code - kOffset) * x for codes of kBits bits: 16 rows, 4 columns an add().
template <int kBits, int kOffset>
class Dot {
 public:
  static constexpr bool kIncludesOffset = true;   // else the caller starts from -kOffset * sum of x
  static constexpr bool kTakesEightfold = false;  // whether add() takes codes times 8: those of few bits
  void start(I32 total) { total_ = total; }
  void add(I32 part) { total_ = total_ + part; }
  template <int kGroup>
  void add(const Bytes& codes, const int8_t* x) {
    for (int lane = 0; lane < 16; ++lane) {
      for (int i = 0; i < 4; ++i) total_.v[lane] += (codes.v[4 * lane + i] - kOffset) * x[i];
    }
  }
  [[nodiscard]] I32 total() const { return total_; }

 private:
  I32 total_;
};

}  // namespace
}  // namespace pellucid::kernels::scalar
