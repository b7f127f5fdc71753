#include "sampling/chain.h"

#include <gtest/gtest.h>

#include <random>

#include "repetitions.h"
#include "sampling/support.h"
#include "sampling/watch.h"

namespace pellucid::sampling {
namespace {

/// Rows that are hard on a selection: ties, few distinct values, -inf, denormals, huge, and ordinary ones.
std::vector<float> random_row(std::mt19937& random) {
  std::vector<float> row(random() % 60 + 1);
  std::normal_distribution<float> normal(0, 4);
  const auto kind = random() % 6;
  for (float& logit : row) {
    logit = normal(random);
    if (kind == 1) logit = std::round(logit);
    if (kind == 2) logit = static_cast<float>(random() % 2);
    if (kind == 3) logit *= 1e30F;
    if (kind == 4) logit = random() % 3 == 0 ? -INFINITY : logit;
    if (kind == 5) logit *= 1e-42F;
  }
  if (std::all_of(row.begin(), row.end(), [](float x) { return std::isinf(x); })) row[0] = 0;
  return row;
}

Settings random_settings(std::mt19937& random) {
  Settings s = test::all_off();
  const double temperatures[] = {0, 0.1, 0.7, 1, 1.5, 10};
  const double top_ps[] = {1e-6, 0.1, 0.5, 0.9, 0.95, 0.999999, 1};
  s.temperature = temperatures[random() % 6];
  s.top_k = static_cast<int32_t>(random() % 3 == 0 ? 0 : random() % 70);
  s.top_p = top_ps[random() % 7];
  return s;
}

TEST(Chain, AgreesWithTheTextbookOnRandomRowsAndSettings) {
  std::mt19937 random(20261124);
  int near_boundary = 0;
  for (int i = 0; i < repetitions(100'000); ++i) {
    const std::vector<float> row = random_row(random);
    const Settings settings = random_settings(random);
    const auto chain = run_chain(row, settings);
    ASSERT_TRUE(chain.ok()) << chain.error().message();
    const std::vector<double> expected = test::textbook(row, settings);
    const Candidates& left = chain.value().candidates;
    std::vector<double> found(row.size(), 0.0);
    for (size_t rank = 0; rank < left.size(); ++rank)
      found[static_cast<size_t>(left.ids()[rank])] = left.probability(rank);
    bool same_set = true;
    for (size_t id = 0; id < row.size(); ++id)
      same_set &= (found[id] > 0) == (expected[id] > 0) || expected[id] < 1e-300;
    if (!same_set) {
      // Only where the cumulative sum meets the boundary to within the rounding of a double may the two sums
      // differ.
      ++near_boundary;
      continue;
    }
    for (size_t id = 0; id < row.size(); ++id)
      ASSERT_NEAR(found[id], expected[id], 1e-12) << i << " " << to_string(settings);
  }
  EXPECT_LE(near_boundary, 2);
}

TEST(Chain, EveryOrderLeavesAtLeastOneCandidateAndASumOfOne) {
  std::mt19937 random(5);
  std::vector<StageId> order{StageId::kTemperature, StageId::kTopK, StageId::kTopP};
  do {
    for (size_t n = 0; n <= order.size(); ++n) {
      for (int i = 0; i < 500; ++i) {
        Settings settings = random_settings(random);
        settings.order.assign(order.begin(), order.begin() + static_cast<ptrdiff_t>(n));
        const auto chain = run_chain(random_row(random), settings);
        ASSERT_TRUE(chain.ok());
        const Candidates& left = chain.value().candidates;
        ASSERT_GE(left.size(), 1u);
        double sum = 0;
        for (size_t rank = 0; rank < left.size(); ++rank) sum += left.probability(rank);
        ASSERT_NEAR(sum, 1.0, 1e-12);
      }
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Chain, WatchingChangesNothing) {
  std::mt19937 random(6);
  for (int i = 0; i < repetitions(20'000); ++i) {
    const std::vector<float> row = random_row(random);
    const Settings settings = random_settings(random);
    const auto fast = run_chain(row, settings);
    const auto watched = watch_chain(row, settings, 5);
    ASSERT_TRUE(fast.ok() && watched.ok());
    const Candidates& a = fast.value().candidates;
    const Candidates& b = watched.value().result.candidates;
    ASSERT_TRUE(std::equal(a.ids().begin(), a.ids().end(), b.ids().begin(), b.ids().end()));
    for (size_t rank = 0; rank < a.size(); ++rank) ASSERT_EQ(a.probability(rank), b.probability(rank));
    for (size_t s = 0; s < fast.value().reports.size(); ++s) {
      ASSERT_EQ(fast.value().reports[s].kept, watched.value().result.reports[s].kept);
      ASSERT_EQ(fast.value().reports[s].skipped, watched.value().result.reports[s].skipped);
    }
  }
}

TEST(Chain, HoweverFarTheyCutAsManyAsHaveToStayDo) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 6);
  const std::vector<std::pair<const char*, const char*>> cuts{
      {"top_k", "1"},          {"top_p", "0.01"},          {"min_p", "1"},
      {"typical_p", "0.01"},   {"epsilon_cutoff", "0.99"}, {"eta_cutoff", "0.99"},
      {"top_n_sigma", "0.01"}, {"temperature", "0"}};
  for (const size_t vocabulary : {2, 10, 20000}) {
    std::vector<float> row(vocabulary);
    for (float& logit : row) logit = normal(random);
    for (const auto& [name, value] : cuts) {
      Settings settings = test::all_off();
      ASSERT_TRUE(set(settings, name, value).ok());
      Context context;
      context.least = 5;
      const auto fast = run_chain(row, settings, context);
      const auto watched = watch_chain(row, settings, 1, {}, context);
      ASSERT_TRUE(fast.ok() && watched.ok());
      EXPECT_GE(fast.value().candidates.size(), std::min<size_t>(5, vocabulary)) << name;
      EXPECT_TRUE(std::ranges::equal(fast.value().candidates.ids(), watched.value().result.candidates.ids()))
          << name;
    }
  }
}

TEST(Chain, TopPCloseToOneNeverRunsPastTheEnd) {
  const std::vector<float> row(1000, 0.25F);
  for (int k = 1; k <= 52; ++k) {
    Settings settings = test::all_off();
    settings.top_p = 1.0 - std::ldexp(1.0, -k);
    const auto chain = run_chain(row, settings);
    ASSERT_TRUE(chain.ok());
    const double wanted = std::ceil(1000 * (settings.top_p - 1e-6) - 1e-9);
    EXPECT_NEAR(static_cast<double>(chain.value().candidates.size()), wanted, 1) << k;
  }
}

TEST(Chain, NumbersThatAreNoneEndInAnErrorThatNamesTheToken) {
  const Settings settings;
  const std::vector<float> nan{1, 2, NAN, 3};
  const auto chain = run_chain(nan, settings);
  ASSERT_FALSE(chain.ok());
  EXPECT_EQ(chain.error().code, ErrorCode::kNumeric);
  EXPECT_NE(chain.error().message().find('2'), std::string::npos) << chain.error().message();
  EXPECT_EQ(run_chain(std::vector<float>{1, INFINITY}, settings).error().code, ErrorCode::kNumeric);
  EXPECT_EQ(run_chain(std::vector<float>{-INFINITY, -INFINITY}, settings).error().code, ErrorCode::kNumeric);
  EXPECT_FALSE(run_chain(std::vector<float>{}, settings).ok());
}

TEST(Chain, SelectionOfALargeVocabularyEqualsAFullSort) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> row(49152);
  for (int round = 0; round < 20; ++round) {
    for (float& logit : row) logit = round % 2 == 0 ? normal(random) : std::round(4 * normal(random)) / 4;
    std::vector<int32_t> ids(row.size());
    std::iota(ids.begin(), ids.end(), 0);
    std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
      return row[static_cast<size_t>(a)] > row[static_cast<size_t>(b)];
    });
    for (const int32_t k : {1, 2, 40, 1000}) {
      Settings settings = test::all_off();
      settings.top_k = k;
      const auto chain = run_chain(row, settings);
      ASSERT_TRUE(chain.ok());
      const auto found = chain.value().candidates.ids();
      ASSERT_TRUE(std::equal(found.begin(), found.end(), ids.begin(), ids.begin() + k));
    }
  }
}

}  // namespace
}  // namespace pellucid::sampling
