// What says how nearly a step gave another token.
#include "sampling/margin.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "sampling/chain.h"
#include "sampling/watch.h"

namespace pellucid::sampling {
namespace {

Selection best_two(const std::vector<float>& logits) { return Row::from(logits).value().select({.best = 2}); }

TEST(Margin, TheGapIsBetweenTheTwoLargest) {
  const float none = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(gap_of(best_two({1, 5, -2, 4.5F})), 0.5);
  EXPECT_EQ(gap_of(best_two({5, 5})), 0);
  EXPECT_EQ(gap_of(best_two({none, 5, none})), std::nullopt);
}

TEST(Margin, ANearTieIsOfTheGapWhereOneIsLeftAndOfTheDrawElse) {
  const std::vector<float> logits{1, 1, 0};
  Candidates left(Row::from(logits).value());
  Draw draw;
  draw.margin = 0.0005;
  EXPECT_TRUE(near_tie(left, 5, draw));
  draw.margin = 0.0015;
  EXPECT_FALSE(near_tie(left, 0.001, draw));
  left.keep_best(1);
  EXPECT_TRUE(near_tie(left, 0.005, draw));
  EXPECT_FALSE(near_tie(left, 0.02, draw));
  EXPECT_FALSE(near_tie(left, std::nullopt, draw));
}

TEST(Margin, TheGapIsOfTheLogitsThatTheCutSees) {
  const auto gap = [](const std::vector<float>& logits, const char* name, const char* value) {
    Settings settings;
    settings.temperature = 0;
    EXPECT_TRUE(set(settings, name, value).ok());
    WatchedBest watched{.top = 2};
    EXPECT_TRUE(run_chain(logits, settings, {}, {}, &watched).ok());
    return watched.gap;
  };
  EXPECT_EQ(gap({10, 8, 1}, "logit_bias", "1=2"), 0);
  EXPECT_EQ(gap({10, 10, 1}, "logit_bias", "0=-5"), 5);
  EXPECT_EQ(gap({10, 8, 1}, "bad_words", "0"), 7);
  EXPECT_EQ(gap({10, 8, 1}, "allowed_tokens", "1"), std::nullopt);
}

/// What the fast chain says of those it watches is what the watched chain says.
TEST(Margin, BothWaysToWatchAgreeOnWhoLeftAndHowProbableTheOthersAre) {
  std::vector<float> logits(9000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>((i * 7919) % 9000) / 500;
  for (const char* extra :
       {"top_k=40", "top_k=0", "min_p=0.2", "bad_words=1,2", "typical_p=0.5", "top_p=1"}) {
    Settings settings;
    const std::string_view text = extra;
    const Result<void> done = set(settings, text.substr(0, text.find('=')), text.substr(text.find('=') + 1));
    ASSERT_TRUE(done.ok()) << extra;
    const auto watched = watch_chain(logits, settings, 60).value();
    WatchedBest best{.top = 60};
    const auto fast = run_chain(logits, settings, {}, {}, &best);
    ASSERT_TRUE(fast.ok());
    ASSERT_EQ(best.best.ids.size(), watched.candidates.size());
    for (size_t i = 0; i < best.removed_by.size(); ++i) {
      const CandidateHistory& history = watched.candidates[i];
      EXPECT_EQ(best.best.ids[i], history.id);
      EXPECT_EQ(best.removed_by[i], history.removed_by()) << extra << ' ' << i;
      const auto probability = fast.value().candidates.probability_of(history.id);
      EXPECT_EQ(probability.has_value(), history.survived()) << extra << ' ' << i;
      if (probability) {
        EXPECT_EQ(*probability, history.after.back()->probability) << extra << ' ' << i;
      }
    }
  }
}

}  // namespace
}  // namespace pellucid::sampling
