// The candidates of a step: the best of all beams, or drawn one after the other without putting back.
#include "generation/beam_candidates.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

namespace pellucid::generation {
namespace {

/// Log-probabilities by id.
sampling::Candidates candidates_of(const std::vector<float>& logits) {
  auto row = sampling::Row::from(logits);
  EXPECT_TRUE(row.ok());
  sampling::Selection all = row.value().select({});
  const size_t n = all.ids.size();
  return {std::move(all), n};
}

TEST(BeamCandidates, TheBestOfAllComeInOrderOfSumThenBeamThenId) {
  const sampling::Candidates first = candidates_of({-1, -3, -1});
  const sampling::Candidates second = candidates_of({-2, -0.5, -9});
  const std::vector<BeamNext> beams{{-1, &first}, {0, nullptr}, {0, &second}};
  const std::vector<BeamCandidate> best = best_candidates(beams, 4);
  ASSERT_EQ(best.size(), 4u);
  const auto is = [&](size_t i, size_t parent, int32_t token, double sum) {
    return best[i].parent == parent && best[i].token == token && best[i].sum == sum;
  };
  EXPECT_TRUE(is(0, 2, 1, -0.5));
  EXPECT_TRUE(is(1, 0, 0, -2));
  EXPECT_TRUE(is(2, 0, 2, -2));
  EXPECT_TRUE(is(3, 2, 0, -2));
  EXPECT_EQ(best_candidates(beams, 100).size(), 6u);
}

TEST(BeamCandidates, DrawsAreSuccessiveOnesWithoutPuttingBack) {
  const sampling::Candidates first = candidates_of({-0.5, -1.5, -2.5});
  const sampling::Candidates second = candidates_of({-1, -0.25});
  const std::vector<BeamNext> beams{{-0.7, &first}, {-0.3, &second}};
  const std::vector<double> sums{-1.2, -2.2, -3.2, -1.3, -0.55};  // of both, one after the other
  std::vector<double> p;
  double total = 0;
  for (const double sum : sums) total += std::exp(sum);
  for (const double sum : sums) p.push_back(std::exp(sum) / total);
  constexpr int kTrials = 60000;
  std::map<std::vector<size_t>, int> counts;
  for (int trial = 0; trial < kTrials; ++trial) {
    sampling::Context address;
    address.seed = 7;
    address.step = static_cast<uint64_t>(trial);
    std::vector<size_t> order;
    for (const BeamCandidate& one : drawn_candidates(beams, 3, address))
      order.push_back(one.parent * 3 + static_cast<size_t>(one.token));
    ++counts[order];
  }
  double chi_square = 0;
  int cells = 0;
  for (size_t i = 0; i < 5; ++i) {
    for (size_t j = 0; j < 5; ++j) {
      for (size_t k = 0; k < 5; ++k) {
        if (i == j || j == k || i == k) continue;
        const double expected = kTrials * p[i] * p[j] / (1 - p[i]) * p[k] / (1 - p[i] - p[j]);
        const double difference = counts[{i, j, k}] - expected;
        chi_square += difference * difference / expected;
        ++cells;
      }
    }
  }
  EXPECT_EQ(cells, 60);
  EXPECT_LT(chi_square, 98.3);  // 59 degrees of freedom: 0.1 %
}

TEST(BeamCandidates, DrawsEndWhereNothingIsLeftAndSurviveWhatDominates) {
  const sampling::Candidates first = candidates_of({0, -60, -61});
  const sampling::Candidates second = candidates_of({-62, -63});
  const std::vector<BeamNext> beams{{0, &first}, {0, nullptr}, {-1, &second}};
  std::map<size_t, int> seconds;
  for (uint64_t step = 0; step < 4000; ++step) {
    sampling::Context address;
    address.step = step;
    const std::vector<BeamCandidate> drawn = drawn_candidates(beams, 10, address);
    ASSERT_EQ(drawn.size(), 5u);
    std::set<std::pair<size_t, int32_t>> seen;
    for (const BeamCandidate& one : drawn) {
      EXPECT_TRUE(seen.emplace(one.parent, one.token).second);
      EXPECT_TRUE(one.u && *one.u >= 0 && *one.u < 1);
    }
    EXPECT_EQ(drawn[0].token, 0);
    ++seconds[drawn[1].parent * 3 + static_cast<size_t>(drawn[1].token)];
  }
  const double total = 1 + std::exp(-1.0) + std::exp(-3.0) + std::exp(-4.0);
  EXPECT_NEAR(seconds[1] / 4000.0, 1 / total, 0.03);
  EXPECT_NEAR(seconds[2] / 4000.0, std::exp(-1.0) / total, 0.03);
}

TEST(BeamCandidates, DrawsArePureFunctionsOfTheirAddress) {
  const sampling::Candidates first = candidates_of({-0.5, -1.5, -2.5, -1, -1.25});
  const std::vector<BeamNext> beams{{0, &first}, {-0.25, &first}};
  const auto tokens = [&](const sampling::Context& address, size_t count) {
    std::vector<size_t> drawn;
    for (const BeamCandidate& one : drawn_candidates(beams, count, address))
      drawn.push_back(one.parent * 5 + static_cast<size_t>(one.token));
    return drawn;
  };
  sampling::Context address;
  address.seed = 3;
  const std::vector<size_t> all = tokens(address, 10);
  EXPECT_EQ(tokens(address, 10), all);
  EXPECT_EQ(tokens(address, 4), (std::vector<size_t>(all.begin(), all.begin() + 4)));
  std::set<std::vector<size_t>> others{all};
  for (int i = 1; i < 4; ++i) {
    sampling::Context other = address;
    (i == 1 ? other.seed : i == 2 ? other.stream : other.step) += 1;
    others.insert(tokens(other, 10));
  }
  EXPECT_EQ(others.size(), 4u);
}

}  // namespace
}  // namespace pellucid::generation
