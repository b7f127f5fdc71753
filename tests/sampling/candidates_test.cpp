// What is said of a token by its id, while most of a row is not ranked, beside the order of all of it.
#include "sampling/candidates.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

namespace pellucid::sampling {
namespace {

constexpr size_t kVocabulary = 5000;  // of which at first some hundreds are ranked

/// Ties are frequent, and some tokens are ruled out.
std::vector<float> a_row(uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> row(kVocabulary);
  for (float& logit : row) logit = random() % 9 == 0 ? -INFINITY : std::round(normal(random) * 20) / 20;
  return row;
}

Candidates from(const std::vector<float>& row) { return Candidates(Row::from(row).value()); }

/// Ranks and surprise, each asked of a set of its own where others may have ranked more.
void expect_places(const std::vector<float>& row, const std::function<void(Candidates&)>& change) {
  Candidates all = from(row);
  change(all);
  long double total = 0;
  for (const double logit : all.logits()) total += std::exp(static_cast<long double>(logit));
  const Candidates asked = [&] {
    Candidates fresh = from(row);
    change(fresh);
    return fresh;
  }();
  std::vector<size_t> rank_of(row.size(), row.size());
  for (size_t rank = 0; rank < all.size(); ++rank) rank_of[static_cast<size_t>(all.ids()[rank])] = rank;
  for (int32_t id = 0; id < static_cast<int32_t>(row.size()); id += 7) {
    const size_t rank = rank_of[static_cast<size_t>(id)];
    const bool here = rank < row.size();
    ASSERT_EQ(asked.rank_of(id).has_value(), here) << id;
    ASSERT_EQ(asked.surprise_of(id).has_value(), here) << id;
    if (!here) continue;
    EXPECT_EQ(*asked.rank_of(id), rank) << id;
    const auto expected = std::log(total) - static_cast<long double>(all.logits()[rank]);
    EXPECT_NEAR(*asked.surprise_of(id), static_cast<double>(expected), 1e-11) << id;
  }
  EXPECT_FALSE(asked.rank_of(-1) || asked.rank_of(static_cast<int32_t>(row.size())));
  EXPECT_FALSE(asked.surprise_of(-1) || asked.surprise_of(static_cast<int32_t>(row.size())));
}

TEST(Candidates, PlaceATokenOfARowByItsId) {
  for (uint32_t seed = 0; seed < 5; ++seed) {
    expect_places(a_row(seed), [](Candidates&) {});
    expect_places(a_row(seed), [](Candidates& set) { set.divide_logits(0.7); });
  }
}

TEST(Candidates, PlaceATokenOfWhatIsLeftByItsId) {
  expect_places(a_row(9), [](Candidates& set) { set.keep_best(40); });
  expect_places(a_row(9), [](Candidates& set) {
    set.divide_logits(1.3);
    set.keep_ranks(2, 3000);
  });
}

TEST(Candidates, BoundsHoldTheTotal) {
  std::mt19937 random(4);
  for (uint32_t seed = 0; seed < 40; ++seed) {
    const std::vector<float> logits = a_row(seed);
    for (const double temperature : {1.0, 0.1, 3.7, 1e-4, 1e5, 1e300}) {
      Row row = Row::from(logits).value();
      Edits edits;
      for (int32_t id = 0; id < 4000; id += 1 + static_cast<int32_t>(random() % 900)) {
        const double logit = std::ldexp(static_cast<double>(random()), -static_cast<int>(random() % 40));
        edits.changes.push_back({id, random() % 3 == 0 ? -INFINITY : logit});
        if (random() % 3 == 0)  // next to one that is there
          edits.changes.back().logit = std::nextafter(static_cast<double>(logits[random() % 4000]), -1e9);
      }
      if (seed % 4 != 0) row.apply(edits);
      Candidates asked(std::move(row));
      asked.divide_logits(temperature);
      asked.divide_logits(1.1);
      const Candidates::Bounds bounds = asked.total_weight_bounds();
      const size_t ranked = asked.ranked();
      asked.rank_more();
      EXPECT_GE(asked.ranked(), ranked);
      const Candidates::Bounds narrower = asked.total_weight_bounds();
      const double total = asked.total_weight();
      for (const Candidates::Bounds& both : {bounds, narrower}) {
        EXPECT_LE(both.low, total) << seed << ' ' << temperature;
        EXPECT_GE(both.high, total) << seed << ' ' << temperature;
        EXPECT_LE(both.high - both.low, 3 * kRoughError * total);
      }
      EXPECT_EQ(asked.total_weight_bounds().low, asked.total_weight());
    }
  }
}

}  // namespace
}  // namespace pellucid::sampling
