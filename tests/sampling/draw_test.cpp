// The draw: the interval that u hits, and the statistics of many draws.
#include "sampling/draw.h"

#include <gtest/gtest.h>

#include <random>

#include "sampling/chain.h"
#include "sampling/support.h"

namespace pellucid::sampling {
namespace {

Candidates candidates_of(const std::vector<float>& row, const Settings& settings = test::all_off()) {
  return std::move(run_chain(row, settings)).value().candidates;
}

/// P(X >= x) of a chi-square distribution with k degrees of freedom, by the regularised incomplete gamma
/// function (series and continued fraction, Abramowitz and Stegun 6.5).
double chi_square_p(double x, double k) {
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

/// The chi-square p-value of n draws against the probabilities `expected` (by rank). Draws outside it fail
/// the test.
double p_value_of_draws(const Candidates& drawn_from, const std::vector<double>& expected, uint64_t seed,
                        int n) {
  std::vector<double> counts(expected.size(), 0);
  for (int step = 0; step < n; ++step) {
    const Draw one = draw(drawn_from, seed, 0, static_cast<uint64_t>(step));
    EXPECT_LT(one.rank, expected.size());
    ++counts[one.rank];
  }
  double chi_square = 0;
  double rest_expected = 0;
  double rest_count = 0;
  int cells = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double e = expected[i] * n;
    if (e < 5) {  // pooled, as the approximation wants
      rest_expected += e;
      rest_count += counts[i];
      continue;
    }
    chi_square += (counts[i] - e) * (counts[i] - e) / e;
    ++cells;
  }
  if (rest_expected >= 5) {
    chi_square += (rest_count - rest_expected) * (rest_count - rest_expected) / rest_expected;
    ++cells;
  }
  return cells < 2 ? 1.0 : chi_square_p(chi_square, cells - 1);
}

std::vector<double> probabilities_of(const Candidates& c) {
  std::vector<double> p;
  for (size_t rank = 0; rank < c.size(); ++rank) p.push_back(c.probability(rank));
  return p;
}

TEST(Draw, TheIntervalHoldsUAndIntervalsTileTheUnit) {
  const Candidates c = candidates_of({1, 3, 2, 0, 3});
  double edge = 0;
  for (size_t rank = 0; rank < c.size(); ++rank) {
    const Draw at_edge = draw_at(c, edge).value();
    EXPECT_EQ(at_edge.rank, rank);
    EXPECT_EQ(at_edge.token, c.ids()[rank]);
    EXPECT_EQ(at_edge.low, edge);
    EXPECT_NEAR(at_edge.high - at_edge.low, c.probability(rank), 1e-15);
    edge = at_edge.high;
  }
  EXPECT_EQ(edge, 1.0);
  EXPECT_EQ(draw_at(c, std::nextafter(1.0, 0.0)).value().rank, c.size() - 1);
}

TEST(Draw, RefusesAUOutsideItsRange) {
  const Candidates c = candidates_of({1, 2});
  for (const double u : {-1e-9, 1.0, 2.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    ASSERT_FALSE(draw_at(c, u).ok()) << u;
    EXPECT_EQ(draw_at(c, u).error().code, ErrorCode::kUsage);
  }
}

TEST(Draw, IsAPureFunctionAndIndependentOfOtherSteps) {
  const Candidates c = candidates_of({1, 2, 3, 4});
  std::vector<int32_t> forward;
  std::vector<int32_t> backward(100);
  for (uint64_t step = 0; step < 100; ++step) forward.push_back(draw(c, 9, 1, step).token);
  for (uint64_t step = 100; step-- > 0;) backward[step] = draw(c, 9, 1, step).token;
  EXPECT_EQ(forward, backward);
}

TEST(Draw, AMillionDrawsFitTheDistribution) {
  std::vector<float> row;
  for (int i = 0; i < 40; ++i) row.push_back(static_cast<float>(-0.2 * i));
  const Candidates c = candidates_of(row);
  EXPECT_GT(p_value_of_draws(c, probabilities_of(c), 12345, 1000000), 1e-4);
}

TEST(Draw, NothingOutsideTheSupportIsEverDrawn) {
  Settings settings = test::all_off();
  settings.top_p = 0.6;
  settings.top_k = 5;
  std::vector<float> row(1000);
  std::mt19937 random(3);
  for (float& logit : row) logit = static_cast<float>(random() % 100) / 25.0F;
  const Candidates c = candidates_of(row, settings);
  for (uint64_t step = 0; step < 1000000; ++step) ASSERT_LT(draw(c, 1, 0, step).rank, c.size());
}

/// Kolmogorov-Smirnov distance of values from the uniform distribution on [0, 1].
double distance_from_uniform(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double distance = 0;
  const double n = static_cast<double>(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    distance = std::max({distance, std::abs(values[i] - static_cast<double>(i) / n),
                         std::abs(values[i] - static_cast<double>(i + 1) / n)});
  }
  return distance;
}

TEST(Draw, PValuesOfManyConfigurationsAreUniform) {
  std::mt19937 random(77);
  std::vector<double> p_values;
  for (int i = 0; i < 300; ++i) {
    std::vector<float> row(random() % 20 + 3);
    for (float& logit : row) logit = static_cast<float>(random() % 1000) / 300.0F;
    Settings settings = test::all_off();
    settings.temperature = 0.5 + static_cast<double>(random() % 100) / 50;
    settings.top_k = static_cast<int32_t>(random() % 20);
    const Candidates c = candidates_of(row, settings);
    if (c.size() < 3) continue;
    p_values.push_back(p_value_of_draws(c, probabilities_of(c), random(), 20000));
  }
  ASSERT_GE(p_values.size(), 200u);
  // 1.95 / sqrt(n) is the 0.1 % point of the Kolmogorov-Smirnov statistic: too good a fit fails as well as
  // too bad a one.
  EXPECT_LT(distance_from_uniform(p_values), 1.95 / std::sqrt(static_cast<double>(p_values.size())));
}

TEST(Draw, APlantedBiasIsSeen) {
  const Candidates c = candidates_of({1.0F, 0.9F, 0.8F, 0.7F, 0.6F, 0.5F, 0.4F, 0.3F});
  std::vector<double> biased = probabilities_of(c);
  biased[0] *= 1.01;  // 1 % of the most likely token
  biased[7] -= biased[0] - biased[0] / 1.01;
  EXPECT_GT(p_value_of_draws(c, probabilities_of(c), 4, 1000000), 1e-3);
  EXPECT_LT(p_value_of_draws(c, biased, 4, 1000000), 1e-3);
}

}  // namespace
}  // namespace pellucid::sampling
