// Whether counts are what a distribution gives: chi-square, and Kolmogorov-Smirnov for p-values.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "repetitions.h"

namespace pellucid::sampling::test {

/// Draws of a case: 10^6, or what PELLUCID_DRAWS says.
inline int draws() {
  const char* const asked = std::getenv("PELLUCID_DRAWS");
  return asked == nullptr ? repetitions(1'000'000) : std::max(100'000, std::atoi(asked));
}

/// P(X >= x) of a chi-square distribution with k degrees of freedom, by the regularised incomplete gamma
/// function (series and continued fraction, Abramowitz and Stegun 6.5).
inline double chi_square_p(double x, double k) {
  const double a = k / 2;
  const double z = x / 2;
  if (z <= 0) return 1;
  const double front = std::exp(a * std::log(z) - z - std::lgamma(a));
  if (z < a + 1) {
    double term = 1 / a;
    double sum = term;
    for (double n = a + 1; term > sum * 1e-16; ++n) sum += term *= z / n;
    return 1 - front * sum;
  }
  double b = z + 1 - a;
  double c = 1e300;
  double d = 1 / b;
  double h = d;
  for (int i = 1; i < 10000; ++i) {
    const double an = -i * (i - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    h *= d * c;
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return front * h;
}

/// The chi-square p-value of counts against probabilities; 1 where there is but one cell. Cells of which
/// fewer than 5 are expected are one, as the approximation wants.
inline double p_value(const std::vector<double>& counts, const std::vector<double>& probabilities) {
  double n = 0;
  for (const double count : counts) n += count;
  double chi_square = 0;
  double rest_expected = 0;
  double rest_count = 0;
  int cells = 0;
  const auto add = [&](double count, double expected) {
    chi_square += (count - expected) * (count - expected) / expected;
    ++cells;
  };
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = probabilities[i] * n;
    if (expected >= 5) {
      add(counts[i], expected);
    } else {
      rest_expected += expected;
      rest_count += counts[i];
    }
  }
  if (rest_expected >= 5) add(rest_count, rest_expected);
  return cells < 2 ? 1.0 : chi_square_p(chi_square, cells - 1);
}

/// Kolmogorov-Smirnov distance of values from the uniform distribution on [0, 1], times the root of their
/// number: 1.95 is its 0.1 % point.
inline double distance_from_uniform(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double distance = 0;
  const double n = static_cast<double>(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    distance = std::max({distance, std::abs(values[i] - static_cast<double>(i) / n),
                         std::abs(values[i] - static_cast<double>(i + 1) / n)});
  }
  return distance * std::sqrt(n);
}

}  // namespace pellucid::sampling::test
