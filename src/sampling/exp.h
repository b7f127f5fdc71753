// Our own exp for weights of candidates: the C library's may change with its version and with the processor
// (glibc picks an fma variant where there is one), and a replayed step must give the same bits everywhere.
#pragma once

#include <bit>
#include <cstdint>

namespace pellucid::sampling {

/// exp(x) for x <= 0 in float64, within 1 unit in the last place; 0 below -708, where results turn subnormal.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite: ln 2 in two parts, so that n * kLn2High is exact),
/// then 2^n times the Taylor series of degree 13, whose remainder is below 2^-57. Multiplications and
/// additions only, no branch: loops over it vectorise.
inline double exp_nonpositive(double x) {
  constexpr double kLog2E = 1.4426950408889634074;
  constexpr double kLn2High = 6.93147180369123816490e-01;  // its low 32 bits are zero
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr double kRound = 0x1.8p52;  // adding it leaves the nearest integer in the low bits
  constexpr double kSmallest = -708.0;
  // All ones but below the smallest. By bits: to GCC 12 a choice between doubles is a branch, and loops with
  // one are not made into vectors for AVX2.
  const uint64_t kept = uint64_t{std::bit_cast<uint64_t>(x) > std::bit_cast<uint64_t>(kSmallest)} - 1;
  const double clamped = std::bit_cast<double>(std::bit_cast<uint64_t>(x) & kept);
  const double shifted = clamped * kLog2E + kRound;
  const double n = shifted - kRound;
  const double r = (clamped - n * kLn2High) - n * kLn2Low;
  // (exp(r) - 1 - r) / r^2, in pairs (Estrin), whose short chains of dependent steps keep wide units busy.
  const double r2 = r * r;
  const double r4 = r2 * r2;
  const double low = (1.0 / 2 + r * (1.0 / 6)) + r2 * (1.0 / 24 + r * (1.0 / 120));
  const double middle = (1.0 / 720 + r * (1.0 / 5040)) + r2 * (1.0 / 40320 + r * (1.0 / 362880));
  const double high =
      (1.0 / 3628800 + r * (1.0 / 39916800)) + r2 * (1.0 / 479001600 + r * (1.0 / 6227020800));
  const double sum = ((low + r4 * middle) + (r4 * r4) * high) * r2 + r;
  const double power = std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);
  return std::bit_cast<double>(std::bit_cast<uint64_t>((1.0 + sum) * power) & kept);
}

}  // namespace pellucid::sampling
