// Our own logarithm and powers, for the reason that exp.h gives: the same bits with every C library and
// processor.
#pragma once

#include <bit>
#include <cstdint>

#include "sampling/exp.h"

namespace pellucid::sampling {

inline constexpr double kLn2 = 6.93147180559945309417e-01;

/// ln(x) for a normal x > 0, within 2 units in the last place.
///
/// x = 2^n m with m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh(s) with s = (m - 1) / (m + 1), |s| < 0.172, whose
/// odd series is cut where its terms fall below 2^-57.
inline double log_positive(double x) {
  constexpr double kLn2High = 6.93147180369123816490e-01;  // its low 32 bits are zero
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr uint64_t kSqrtHalf = 0x3FE6A09E667F3BCD;
  const uint64_t shifted = std::bit_cast<uint64_t>(x) - kSqrtHalf;
  const auto n = static_cast<double>(static_cast<int64_t>(shifted) >> 52);
  const double m = std::bit_cast<double>((shifted & 0x000FFFFFFFFFFFFF) + kSqrtHalf);
  const double s = (m - 1) / (m + 1);
  const double square = s * s;
  double sum = 0;
  for (int odd = 23; odd >= 3; odd -= 2) sum = sum * square + 1.0 / odd;
  const double tail = 2 * s * square * sum + n * kLn2Low;
  return n * kLn2High + (2 * s + tail);
}

/// exp(x) for any x; 0 below -708, and at most exp(708).
inline double exp_any(double x) {
  if (x <= 0) return exp_nonpositive(x);
  return 1 / exp_nonpositive(x < 708 ? -x : -708.0);
}

/// x^y for x > 0; at most exp(708).
inline double power(double x, double y) { return y == 1 ? x : exp_any(y * log_positive(x)); }

/// x^n by squaring, n >= 0.
inline double power(double x, uint32_t n) {
  double result = 1;
  for (; n != 0; n >>= 1) {
    if ((n & 1) != 0) result *= x;
    x *= x;
  }
  return result;
}

}  // namespace pellucid::sampling
