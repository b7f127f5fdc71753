#include "sampling/block.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

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
      zeros[half] += x - x;  // NOLINT(misc-redundant-expression): NaN where x is not finite
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

using EightBits = uint32_t __attribute__((vector_size(8 * sizeof(uint32_t))));

/// Adds exp(x - limit) and that times (x - limit), of eight logits. x - limit = n ln 2 + r as in exp.h, with
/// the Taylor series of degree 7, whose remainder is below 2^-26. What is further than 87 below the limit, or
/// above it, counts as if it were 87 below: by bits, where the sign comes first.
[[gnu::always_inline]] inline void add_tail(const Eight& x, const Eight& limit, Eight& weights,
                                            Eight& products) {
  constexpr float kMost = 87;
  constexpr float kRound = 0x1.8p23F + 127;  // leaves n + 127 in the low bits
  constexpr float kLn2High = 0.693359375F;   // times n exactly
  constexpr float kLn2Low = -2.12194440e-4F;
  const auto bits = reinterpret_cast<EightBits>(limit - x);
  const auto most = EightBits{} + std::bit_cast<uint32_t>(kMost);
  const auto below = reinterpret_cast<Eight>(bits < most ? bits : most);
  const Eight shifted = below * -1.44269504F + kRound;
  const Eight n = shifted - kRound;
  const Eight r = (-below - n * kLn2High) - n * kLn2Low;
  const Eight r2 = r * r;
  const Eight high = (1.0F / 24 + r * (1.0F / 120)) + r2 * (1.0F / 720 + r * (1.0F / 5040));
  const Eight power = 1 + (r + r2 * ((0.5F + r * (1.0F / 6)) + r2 * high));
  const Eight weight = power * reinterpret_cast<Eight>(reinterpret_cast<EightBits>(shifted) << 23);
  weights += weight;
  products -= weight * below;
}

/// Float32 sums of four rows of lanes, float64 ones of those.
[[gnu::always_inline]] inline TailSums add_tails(std::span<const float> logits, float limit) {
  constexpr size_t kWidth = 8;
  constexpr size_t kSome = 4 * kWidth;
  const Eight limits = Eight{} + (limit + 0.0F);  // so that what equals it is +0 below it, never -0
  std::array<double, kWidth> weights{};
  std::array<double, kWidth> products{};
  const auto add = [&](const float* some) {
    Eight some_weights{};
    Eight some_products{};
    for (size_t i = 0; i < kSome; i += kWidth) {
      Eight x;
      std::memcpy(&x, some + i, sizeof(x));
      add_tail(x, limits, some_weights, some_products);
    }
    for (size_t lane = 0; lane < kWidth; ++lane) {
      weights[lane] += static_cast<double>(some_weights[lane]);
      products[lane] += static_cast<double>(some_products[lane]);
    }
  };
  const size_t whole = logits.size() / kSome * kSome;
  for (size_t i = 0; i < whole; i += kSome) add(&logits[i]);
  if (whole < logits.size()) {
    std::array<float, kSome> rest{};
    rest.fill(kMinusInfinity);
    std::copy(logits.begin() + static_cast<ptrdiff_t>(whole), logits.end(), rest.begin());
    add(rest.data());
  }
  return {.weights = std::accumulate(weights.begin(), weights.end(), 0.0),
          .products = std::accumulate(products.begin(), products.end(), 0.0)};
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
  TailSums (*tail_sums)(std::span<const float> logits, float limit);
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
TailSums tail_baseline(Floats logits, float limit) { return add_tails(logits, limit); }
constexpr Loops kBaseline{scan_baseline, find_baseline, rough_baseline,
                          exp_baseline,  add_baseline,  tail_baseline};

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
[[gnu::target("avx2")]] TailSums tail_avx2(Floats logits, float limit) { return add_tails(logits, limit); }
constexpr Loops kAvx2{scan_avx2, find_avx2, rough_avx2, exp_avx2, add_avx2, tail_avx2};

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
[[gnu::target("avx512f,avx512dq,avx512vl")]] TailSums tail_avx512(Floats logits, float limit) {
  return add_tails(logits, limit);
}
constexpr Loops kAvx512{scan_avx512, find_avx512, rough_avx512, exp_avx512, add_avx512, tail_avx512};

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

TailSums tail_sums(std::span<const float> logits, float limit) { return loops().tail_sums(logits, limit); }

}  // namespace pellucid::sampling
