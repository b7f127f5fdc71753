// The draw: the interval that u hits, and the statistics of many draws.
#include "sampling/draw.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "repetitions.h"
#include "sampling/chain.h"
#include "sampling/statistics.h"
#include "sampling/support.h"

namespace pellucid::sampling {
namespace {

Candidates candidates_of(const std::vector<float>& row, const Settings& settings = test::all_off()) {
  return std::move(run_chain(row, settings)).value().candidates;
}

/// Counts of n draws, by rank.
std::vector<double> counts_of(const Candidates& drawn_from, uint64_t seed, int n) {
  std::vector<double> counts(drawn_from.size(), 0);
  for (int step = 0; step < n; ++step) ++counts[draw(drawn_from, seed, 0, static_cast<uint64_t>(step)).rank];
  return counts;
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

TEST(Draw, TheTokenAloneIsThatOfTheDraw) {
  std::mt19937 random(7);
  std::vector<float> row(20000);
  for (const float spread : {0.0F, 0.001F, 1.0F, 3.0F, 8.0F}) {
    std::normal_distribution<float> normal(0, spread);
    for (float& logit : row) logit = spread == 0 ? 1 : normal(random);
    for (const double temperature : {0.2, 1.0, 5.0}) {
      Settings settings = test::all_off();
      settings.temperature = temperature;
      const Candidates whole = candidates_of(row, settings);
      for (uint64_t step = 0; step < repetitions(100); ++step) {
        const Candidates fresh = candidates_of(row, settings);  // whose total isn't known
        ASSERT_EQ(drawn_token(fresh, 3, 0, step), draw(whole, 3, 0, step).token) << spread << ' ' << step;
      }
    }
  }
}

TEST(Draw, SoItIsWhereStagesHaveChangedTheRow) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> row(30000);
  for (int kind = 0; kind < 21; ++kind) {
    for (float& logit : row) {  // ties, and tokens that are ruled out
      logit = kind % 2 == 0 ? normal(random) : std::round(normal(random));
      if (kind % 3 == 0 && random() % 2 == 0) logit = -INFINITY;
    }
    Settings settings = test::all_off();
    settings.temperature = std::vector<double>{1e-9, 0.7, 1, 4, 1e9}[static_cast<size_t>(kind) % 5];
    settings.repetition_penalty = kind % 4 == 0 ? 1.3 : 1;
    for (int i = 0; i < kind; ++i) {
      settings.logit_bias.push_back(
          {{static_cast<int32_t>(random() % row.size())}, kind % 7 == 0 ? 30.0 : -2.5});
    }
    const std::vector<int32_t> text{5, 29999, 77, 12345};
    const Context context{.tokens = text};
    const Candidates whole = run_chain(row, settings, context).value().candidates;
    for (uint64_t step = 0; step < repetitions(20); ++step) {
      const Candidates fresh = run_chain(row, settings, context).value().candidates;
      ASSERT_EQ(drawn_token(fresh, 4, 1, step), draw(whole, 4, 1, step).token) << kind << ' ' << step;
    }
  }
}

TEST(Draw, ATokenAloneIsDrawnAsOftenAsItIsLikely) {
  std::vector<float> row(10000, 0.0F);  // as many as make a set be a row
  for (size_t id = 0; id < 40; ++id) row[id] = 9 - 0.2F * static_cast<float>(id);
  const Candidates c = candidates_of(row);
  std::vector<double> counts(41, 0);
  for (int step = 0; step < repetitions(test::draws() / 100); ++step) {
    const int32_t token = drawn_token(candidates_of(row), 77, 0, static_cast<uint64_t>(step));
    ++counts[std::min<size_t>(static_cast<size_t>(token), 40)];
  }
  std::vector<double> p(41, 0);
  for (size_t rank = 0; rank < c.size(); ++rank) p[std::min<size_t>(rank, 40)] += c.probability(rank);
  EXPECT_GT(test::p_value(counts, p), 1e-4);
}

TEST(Draw, AMillionDrawsFitTheDistribution) {
  std::vector<float> row;
  for (int i = 0; i < 40; ++i) row.push_back(static_cast<float>(-0.2 * i));
  const Candidates c = candidates_of(row);
  EXPECT_GT(test::p_value(counts_of(c, 12345, test::draws()), probabilities_of(c)), 1e-4);
}

TEST(Draw, NothingOutsideTheSupportIsEverDrawn) {
  Settings settings = test::all_off();
  settings.top_p = 0.6;
  settings.top_k = 5;
  std::vector<float> row(1000);
  std::mt19937 random(3);
  for (float& logit : row) logit = static_cast<float>(random() % 100) / 25.0F;
  const Candidates c = candidates_of(row, settings);
  for (uint64_t step = 0; step < static_cast<uint64_t>(test::draws()); ++step)
    ASSERT_LT(draw(c, 1, 0, step).rank, c.size());
}

}  // namespace
}  // namespace pellucid::sampling
