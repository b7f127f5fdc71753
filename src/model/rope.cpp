#include "model/rope.h"

#include <array>
#include <cmath>

namespace pellucid::model {
namespace {

// pi / 2 in three parts of 33, 33 and 53 bits: k * kPart1 and k * kPart2 are exact for |k| < 2^20.
constexpr double kPart1 = 0x1.921fb544p+0;
constexpr double kPart2 = 0x1.0b4611a6p-34;
constexpr double kPart3 = 0x1.3198a2e037073p-69;
constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;

/// Taylor series in z = x^2 by Horner's rule with explicit fma.
template <size_t N>
double horner(const std::array<double, N>& coefficients, double z) {
  double sum = coefficients[0];
  for (size_t i = 1; i < N; ++i) sum = std::fma(sum, z, coefficients[i]);
  return sum;
}

// 1/17!, -1/15!, ... 1 and 1/16!, -1/14!, ... 1.
constexpr std::array<double, 9> kSin{1.0 / 355687428096000.0,
                                     -1.0 / 1307674368000.0,
                                     1.0 / 6227020800.0,
                                     -1.0 / 39916800.0,
                                     1.0 / 362880.0,
                                     -1.0 / 5040.0,
                                     1.0 / 120.0,
                                     -1.0 / 6.0,
                                     1.0};
constexpr std::array<double, 9> kCos{1.0 / 20922789888000.0,
                                     -1.0 / 87178291200.0,
                                     1.0 / 479001600.0,
                                     -1.0 / 3628800.0,
                                     1.0 / 40320.0,
                                     -1.0 / 720.0,
                                     1.0 / 24.0,
                                     -1.0 / 2.0,
                                     1.0};

}  // namespace

SinCos sin_cos(double x) {
  const double k = std::nearbyint(x * kTwoOverPi);
  const double r = std::fma(-k, kPart3, std::fma(-k, kPart2, std::fma(-k, kPart1, x)));
  const double z = r * r;
  const double s = r * horner(kSin, z);
  const double c = horner(kCos, z);
  switch (static_cast<int64_t>(k) & 3) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

std::vector<double> rope_frequencies(const RopeSpec& rope, std::span<const float> factors, bool local) {
  std::vector<double> frequencies(static_cast<size_t>(rope.n_rot / 2));
  const double base = local ? rope.local_base : rope.base;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(base, -2.0 * static_cast<double>(i) / rope.n_rot);
    if (local) continue;
    if (rope.scaling == RopeScaling::kLinear) frequencies[i] /= rope.factor;
    if (rope.scaling == RopeScaling::kFactors) frequencies[i] /= factors[i];
  }
  return frequencies;
}

}  // namespace pellucid::model
