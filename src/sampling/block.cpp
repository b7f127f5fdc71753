#include "sampling/block.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/cpu.h"
#include "sampling/exp.h"

namespace pellucid::sampling {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMinusInfinity = -kInfinity;
constexpr float kLowest = std::numeric_limits<float>::lowest();
constexpr double kLowestDouble = std::numeric_limits<double>::lowest();

// Blocks are walked in kLanes independent lanes, which the compiler turns into vectors.

/// Lanes by name, where the compiler has failed to see them in a loop.
using Eight = float __attribute__((vector_size(8 * sizeof(float))));

/// The highest of a block; adds to `zeros`, which is NaN once a logit isn't finite.
[[gnu::always_inline]] inline float highest_of(std::span<const float> block, std::array<Eight, 2>& zeros) {
  std::array<Eight, 2> maximum{Eight{} + kMinusInfinity, Eight{} + kMinusInfinity};
  const auto look = [&](const float* sixteen) {
    for (size_t half = 0; half < 2; ++half) {
      Eight x;
      std::memcpy(&x, sixteen + half * 8, sizeof(x));
      maximum[half] = x > maximum[half] ? x : maximum[half];
      zeros[half] += x - x;
    }
  };
  const size_t whole = block.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) look(&block[i]);
  if (whole < block.size()) {
    std::array<float, kLanes> rest{};
    rest.fill(block[whole]);
    std::copy(block.begin() + static_cast<ptrdiff_t>(whole), block.end(), rest.begin());
    look(rest.data());
  }
  maximum[0] = maximum[0] > maximum[1] ? maximum[0] : maximum[1];
  float highest = kMinusInfinity;
  for (size_t lane = 0; lane < 8; ++lane) highest = std::max(highest, maximum[0][lane]);
  return highest;
}

[[gnu::always_inline]] inline bool scan_each(std::span<const float> logits, std::span<float> maxima) {
  std::array<Eight, 2> zeros{};
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const auto block = logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    maxima[begin / kBlock] = highest_of(block, zeros);
  }
  zeros[0] += zeros[1];
  float sum = 0;
  for (size_t lane = 0; lane < 8; ++lane) sum += zeros[0][lane];
  return sum == 0;
}

[[gnu::always_inline]] inline void find_each(std::span<const float> block, float floor, Places& places) {
  std::array<uint8_t, kBlock> reaches{};
  for (size_t i = 0; i < block.size(); ++i) reaches[i] = block[i] >= floor ? 1 : 0;
  for (size_t first = 0; first < block.size(); first += sizeof(uint64_t)) {
    uint64_t bytes = 0;
    std::memcpy(&bytes, reaches.data() + first, sizeof(bytes));
    for (; bytes != 0; bytes &= bytes - 1) {
      places.at[places.n++] = static_cast<uint8_t>(first + static_cast<size_t>(std::countr_zero(bytes)) / 8);
    }
  }
}

/// In one step where the level has one: rough sums may have other bits at each level.
template <bool kFused>
[[gnu::always_inline]] inline float multiply_add(float a, float b, float c) {
  if constexpr (kFused) {
    return __builtin_fmaf(a, b, c);
  } else {
    return a * b + c;
  }
}

/// Adds exp2((x - limit) * octaves) to `sum`, within a relative 2^-13.5: 2^n times the polynomial of degree 3
/// that is nearest to 2^r on [-1/2, 1/2]. What is further than `most` below the limit, or above it, counts as
/// 2^-126: by bits, where the sign comes first.
template <bool kFused>
[[gnu::always_inline]] inline float plus_rough(float sum, float x, float limit, float octaves, float most) {
  constexpr float kRound = 0x1.8p23F + 127;  // leaves n + 127 in the low bits
  const float below =
      std::bit_cast<float>(std::min(std::bit_cast<uint32_t>(limit - x), std::bit_cast<uint32_t>(most)));
  const float shifted = multiply_add<kFused>(below, -octaves, kRound);
  const float r = multiply_add<kFused>(below, -octaves, kRound - shifted);
  float power = multiply_add<kFused>(0.05517167F, r, 0.24261113F);
  power = multiply_add<kFused>(power, r, 0.69326097F);
  power = multiply_add<kFused>(power, r, 0.99992806F);
  return multiply_add<kFused>(power, std::bit_cast<float>(std::bit_cast<uint32_t>(shifted) << 23), sum);
}

/// Float32 sums of a block, float64 ones of those.
template <bool kFused>
[[gnu::always_inline]] inline double add_rough(std::span<const float> logits, float limit, float scale) {
  constexpr float kLog2E = 1.44269504F;
  const float octaves = scale * kLog2E;
  const float most = 126 / octaves;
  limit += 0.0F;  // so that what equals it is +0 below it, never -0
  Lanes sums{};
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const auto block = logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    std::array<float, kLanes> lanes{};
    size_t i = 0;
    for (; i + kLanes <= block.size(); i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane)
        lanes[lane] = plus_rough<kFused>(lanes[lane], block[i + lane], limit, octaves, most);
    }
    for (size_t lane = 0; i < block.size(); ++i, ++lane)
      lanes[lane] = plus_rough<kFused>(lanes[lane], block[i], limit, octaves, most);
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += lanes[lane];
  }
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return sum;
}

[[gnu::always_inline]] inline void exp_each(std::span<double> values) {
  for (double& x : values) x = exp_nonpositive(x);
}

[[gnu::always_inline]] inline void add_each(std::span<const double> below, WeightSums& all) {
  WeightSums sums = all;  // a copy, which nothing else can view
  const auto add = [&](size_t lane, double x) {
    const double weight = exp_nonpositive(x);
    // -inf times 0 would be NaN: the lowest number stands for it.
    const uint64_t finite = std::min(std::bit_cast<uint64_t>(x), std::bit_cast<uint64_t>(kLowestDouble));
    sums.weights[lane] += weight;
    sums.products[lane] += weight * std::bit_cast<double>(finite);
  };
  size_t i = 0;
  for (; i + kLanes <= below.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) add(lane, below[i + lane]);
  }
  for (size_t lane = 0; i < below.size(); ++i, ++lane) add(lane, below[i]);
  all = sums;
}

struct Loops {
  bool (*scan)(std::span<const float> logits, std::span<float> maxima);
  void (*find)(std::span<const float> block, float floor, Places& places);
  double (*rough_weight)(std::span<const float> logits, float limit, float scale);
  void (*exp)(std::span<double> values);
  void (*add_weights)(std::span<const double> below, WeightSums& sums);
};

using Floats = std::span<const float>;
using Doubles = std::span<double>;
using ConstDoubles = std::span<const double>;

bool scan_baseline(Floats logits, std::span<float> maxima) { return scan_each(logits, maxima); }
void find_baseline(Floats block, float floor, Places& places) { find_each(block, floor, places); }
double rough_baseline(Floats logits, float limit, float scale) {
  return add_rough<false>(logits, limit, scale);
}
void exp_baseline(Doubles values) { exp_each(values); }
void add_baseline(ConstDoubles below, WeightSums& sums) { add_each(below, sums); }
constexpr Loops kBaseline{scan_baseline, find_baseline, rough_baseline, exp_baseline, add_baseline};

#if defined(__x86_64__)
[[gnu::target("avx2")]] bool scan_avx2(Floats logits, std::span<float> maxima) {
  return scan_each(logits, maxima);
}
[[gnu::target("avx2")]] void find_avx2(Floats block, float floor, Places& places) {
  find_each(block, floor, places);
}
[[gnu::target("avx2,fma")]] double rough_avx2(Floats logits, float limit, float scale) {
  return add_rough<true>(logits, limit, scale);
}
[[gnu::target("avx2")]] void exp_avx2(Doubles values) { exp_each(values); }
[[gnu::target("avx2")]] void add_avx2(ConstDoubles below, WeightSums& sums) { add_each(below, sums); }
constexpr Loops kAvx2{scan_avx2, find_avx2, rough_avx2, exp_avx2, add_avx2};

[[gnu::target("avx512f,avx512dq,avx512vl")]] bool scan_avx512(Floats logits, std::span<float> maxima) {
  return scan_each(logits, maxima);
}
[[gnu::target("avx512f,avx512dq,avx512vl")]] void find_avx512(Floats block, float floor, Places& places) {
  find_each(block, floor, places);
}
[[gnu::target("avx512f,avx512dq,avx512vl,fma")]] double rough_avx512(Floats logits, float limit,
                                                                     float scale) {
  return add_rough<true>(logits, limit, scale);
}
[[gnu::target("avx512f,avx512dq,avx512vl")]] void exp_avx512(Doubles values) { exp_each(values); }
[[gnu::target("avx512f,avx512dq,avx512vl")]] void add_avx512(ConstDoubles below, WeightSums& sums) {
  add_each(below, sums);
}
constexpr Loops kAvx512{scan_avx512, find_avx512, rough_avx512, exp_avx512, add_avx512};

const Loops& chosen() {
  const CpuFeatures features = detect_cpu();
  if (features.avx512) return kAvx512;
  return features.avx2 ? kAvx2 : kBaseline;
}
#else
const Loops& chosen() { return kBaseline; }
#endif

const Loops& loops() {
  static const Loops& all = chosen();
  return all;
}

}  // namespace

bool scan(std::span<const float> logits, std::span<float> maxima) { return loops().scan(logits, maxima); }

Places reaching(std::span<const float> block, float floor) {
  Places places;
  loops().find(block, std::max(floor, kLowest), places);
  return places;
}

double rough_weight(std::span<const float> logits, float limit, float scale) {
  return loops().rough_weight(logits, limit, scale);
}

void exp_nonpositive(std::span<double> values) { loops().exp(values); }

void add_weights(std::span<const double> below, WeightSums& sums) { loops().add_weights(below, sums); }

}  // namespace pellucid::sampling
