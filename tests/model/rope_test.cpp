#include "model/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace pellucid::model {
namespace {

void expect_close(double x) {
  const SinCos mine = sin_cos(x);
  // The C library in extended precision is the independent reference.
  const double sine = static_cast<double>(std::sin(static_cast<long double>(x)));
  const double cosine = static_cast<double>(std::cos(static_cast<long double>(x)));
  ASSERT_NEAR(mine.sin, sine, 1e-12) << x;
  ASSERT_NEAR(mine.cos, cosine, 1e-12) << x;
}

TEST(SinCos, AgreesWithTheLibraryOnRandomAngles) {
  std::mt19937_64 random(1);
  for (const double range : {1.0, 10.0, 1e3, 1048576.0}) {
    std::uniform_real_distribution<double> angle(-range, range);
    for (int i = 0; i < 20000; ++i) expect_close(angle(random));
  }
}

TEST(SinCos, AgreesNearMultiplesOfQuarterTurns) {
  for (int k = -2000; k <= 2000; ++k) {
    const double x = k * 0x1.921fb54442d18p+0;
    for (const double nudge : {-1e-9, -0x1p-52, 0.0, 0x1p-52, 1e-9}) expect_close(x + nudge);
  }
}

TEST(RopeFrequencies, FallFromOneByTheBase) {
  RopeSpec rope;
  rope.n_rot = 64;
  rope.base = 100000.0f;
  const std::vector<double> frequencies = rope_frequencies(rope, {}, false);
  ASSERT_EQ(frequencies.size(), 32u);
  EXPECT_EQ(frequencies[0], 1.0);
  EXPECT_NEAR(frequencies[16], 1.0 / std::sqrt(100000.0), 1e-15);
}

TEST(RopeFrequencies, ScalingLeavesLocalLayersAlone) {
  RopeSpec rope;
  rope.n_rot = 4;
  rope.scaling = RopeScaling::kLinear;
  rope.factor = 8.0f;
  EXPECT_EQ(rope_frequencies(rope, {}, false)[0], 0.125);
  EXPECT_EQ(rope_frequencies(rope, {}, true)[0], 1.0);
  rope.scaling = RopeScaling::kFactors;
  const float factors[] = {2.0f, 4.0f};
  EXPECT_EQ(rope_frequencies(rope, factors, false)[0], 0.5);
}

}  // namespace
}  // namespace pellucid::model
