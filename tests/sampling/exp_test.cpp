// Our exp against the C library's in extended precision.
#include "sampling/exp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace pellucid::sampling {
namespace {

/// The distance to the true value in units of the last place of the result.
double error_in_ulps(double x) {
  const double found = exp_nonpositive(x);
  const long double exact = std::exp(static_cast<long double>(x));
  const double ulp = std::nextafter(found, std::numeric_limits<double>::infinity()) - found;
  return static_cast<double>(std::abs(static_cast<long double>(found) - exact) / ulp);
}

TEST(Exp, IsWithinOneUnitInTheLastPlace) {
  std::mt19937_64 random(1);
  double worst = 0;
  for (int i = 0; i < 500'000; ++i) {
    const double fraction = std::ldexp(static_cast<double>(random() >> 11), -53);
    for (const double range : {1e-9, 1e-3, 1.0, 30.0, 708.0})
      worst = std::max(worst, error_in_ulps(-range * fraction));
  }
  EXPECT_LT(worst, 1.0);
}

TEST(Exp, ItsEnds) {
  EXPECT_EQ(exp_nonpositive(0), 1.0);
  EXPECT_EQ(exp_nonpositive(-0.0), 1.0);
  EXPECT_EQ(exp_nonpositive(-std::numeric_limits<double>::denorm_min()), 1.0);
  EXPECT_GT(exp_nonpositive(-708), 0.0);
  EXPECT_EQ(exp_nonpositive(-708.1), 0.0);
  EXPECT_EQ(exp_nonpositive(-std::numeric_limits<double>::max()), 0.0);
  EXPECT_EQ(exp_nonpositive(-std::numeric_limits<double>::infinity()), 0.0);
}

TEST(Exp, NeverRises) {
  for (int i = 0; i > -400000; --i)
    ASSERT_GE(exp_nonpositive(i * 1e-4), exp_nonpositive((i - 1) * 1e-4)) << i;
}

}  // namespace
}  // namespace pellucid::sampling
