// The chain in any order on rows made to break it, against the textbook; and what a watched chain says of
// itself.
#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "repetitions.h"
#include "sampling/chain.h"
#include "sampling/oracle.h"
#include "sampling/support.h"
#include "sampling/watch.h"

namespace pellucid::sampling {
namespace {

using test::kInfinity;

uint64_t bits(double x) { return std::bit_cast<uint64_t>(x); }

TEST(HostileChain, AgreesWithTheTextbookInAnyOrder) {
  RandomSteps random(20240601);
  int compared = 0;
  for (int i = 0; i < repetitions(110'000); ++i) {
    const std::vector<float> logits = random.logits(60);
    const Settings settings = random.settings();
    if (undecided(logits, settings)) continue;
    ++compared;
    const auto result = run_chain(logits, settings);
    ASSERT_TRUE(result.ok()) << result.error().message();
    const Candidates& left = result.value().candidates;
    const std::vector<OracleToken> expected = oracle_chain(logits, settings);
    ASSERT_EQ(left.size(), expected.size()) << "step " << i << ": " << to_string(settings);
    for (size_t rank = 0; rank < expected.size(); ++rank) {
      ASSERT_EQ(left.ids()[rank], expected[rank].id) << "step " << i << ", rank " << rank;
      ASSERT_NEAR(left.probability(rank), expected[rank].probability, 1e-14) << to_string(settings);
    }
  }
  EXPECT_GE(compared, repetitions(100'000));
}

TEST(HostileChain, FastAndWatchedAreTheSameBits) {
  RandomSteps random(7);
  for (int i = 0; i < repetitions(3'000); ++i) {
    // Some rows of many blocks, so that the selection by blocks has work to do.
    const std::vector<float> logits = random.logits(i % 40 == 0 ? 20'000 : 600);
    const Settings settings = random.settings();
    const bool is_watched = i % 2 == 0;
    WatchedBest best{.top = 5};
    const auto fast = run_chain(logits, settings, {}, {}, is_watched ? &best : nullptr);
    const auto watched = watch_chain(logits, settings, 5);
    ASSERT_TRUE(fast.ok() && watched.ok());
    const ChainResult& a = fast.value();
    const ChainResult& b = watched.value().result;
    ASSERT_EQ(a.candidates.size(), b.candidates.size());
    for (size_t rank = 0; rank < a.candidates.size(); ++rank) {
      ASSERT_EQ(a.candidates.ids()[rank], b.candidates.ids()[rank]);
      ASSERT_EQ(bits(a.candidates.logits()[rank]), bits(b.candidates.logits()[rank]));
      ASSERT_EQ(bits(a.candidates.probability(rank)), bits(b.candidates.probability(rank)));
    }
    for (size_t stage = 0; stage < a.reports.size(); ++stage) {
      ASSERT_EQ(a.reports[stage].entered, b.reports[stage].entered) << to_string(settings);
      ASSERT_EQ(a.reports[stage].kept, b.reports[stage].kept) << to_string(settings);
      if (!is_watched) continue;
      ASSERT_EQ(a.reports[stage].threshold, b.reports[stage].threshold) << to_string(settings);
    }
  }
}

TEST(HostileChain, LogitsThatAreNoNumbersAreNamedWhereverTheyAre) {
  // In the first, a middle and the last block of the scan, and in the rest that fills no block.
  for (const size_t at : {0UL, 255UL, 256UL, 1000UL, 1279UL, 1280UL, 1299UL}) {
    for (const float bad : {kInfinity, std::nanf(""), -std::nanf("")}) {
      std::vector<float> logits(1300, -1.F);
      logits[7] = -kInfinity;
      logits[at] = bad;
      for (const int k : {0, 1, 50}) {
        const auto result = run_chain(logits, Settings{.top_k = k});
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(result.error().code, ErrorCode::kNumeric);
        EXPECT_NE(result.error().why.find("token " + std::to_string(at) + " is"), std::string::npos)
            << result.error().message();
      }
    }
  }
}

TEST(HostileChain, TopKKeepsExactlyKOfEqualLogits) {
  std::vector<float> logits(1000, 2.5F);
  logits[0] = -kInfinity;
  for (int k = 1; k <= 999; k += 37) {
    const auto result = run_chain(logits, Settings{.top_k = k, .top_p = 1});
    ASSERT_TRUE(result.ok());
    const auto ids = result.value().candidates.ids();
    ASSERT_EQ(ids.size(), static_cast<size_t>(k));
    for (int rank = 0; rank < k; ++rank) ASSERT_EQ(ids[static_cast<size_t>(rank)], rank + 1);
  }
}

TEST(HostileSettings, AnyTextIsReadOrRefused) {
  RandomSteps random(3);
  constexpr std::string_view kAlphabet{"0123456789.-+eEnaif,;_ktop\0 \xffx", 30};
  const char* kNames[] = {"temperature", "top_k", "top_p", "order", "", "--", "x"};
  Settings settings;
  for (int i = 0; i < 50'000; ++i) {
    std::string text(random.below(12), ' ');
    for (char& c : text) c = kAlphabet[random.below(kAlphabet.size())];
    const auto result = set(settings, kNames[random.below(std::size(kNames))], text);
    ASSERT_TRUE(check(settings).ok()) << to_string(settings);
    if (!result.ok()) {
      ASSERT_EQ(result.error().code, ErrorCode::kUsage);
    }
  }
}

/// Each standing of a history is what a chain that ends there would give.
TEST(WatchedChain, HistoriesAreWhatShorterChainsGive) {
  RandomSteps random(17);
  for (int i = 0; i < repetitions(1'000); ++i) {
    const std::vector<float> logits = random.logits(40);
    const Settings settings = random.settings();
    const std::vector<int32_t> also{static_cast<int32_t>(logits.size() - 1)};
    const auto watched = watch_chain(logits, settings, 6, also);
    ASSERT_TRUE(watched.ok());
    for (size_t length = 1; length <= settings.order.size(); ++length) {
      Settings shorter = settings;
      shorter.order.resize(length);
      const auto chain = run_chain(logits, shorter);
      ASSERT_TRUE(chain.ok());
      const Candidates& left = chain.value().candidates;
      double seen = 0;
      size_t count = 0;
      for (const CandidateHistory& history : watched.value().candidates) {
        const auto found = std::find(left.ids().begin(), left.ids().end(), history.id);
        const auto& standing = history.after[length - 1];
        ASSERT_EQ(standing.has_value(), found != left.ids().end());
        if (!standing) continue;
        ASSERT_EQ(standing->rank, static_cast<size_t>(found - left.ids().begin()));
        ASSERT_EQ(bits(standing->probability), bits(left.probability(standing->rank)));
        seen += standing->probability;
        ++count;
      }
      ASSERT_EQ(watched.value().tail.count_after[length - 1], left.size() - count);
      ASSERT_NEAR(watched.value().tail.mass_after[length - 1], 1 - seen, 1e-12);
    }
  }
}

TEST(WatchedChain, SaysWhoRemovedACandidateAndHowMuchWasKept) {
  const std::vector<float> logits{10, 8, 5, 2, 1, 0.5F, -kInfinity};
  const auto watched = watch_chain(logits, Settings{.top_k = 3, .top_p = 0.9}, 6, std::vector<int32_t>{6});
  ASSERT_TRUE(watched.ok());
  const std::vector<CandidateHistory>& all = watched.value().candidates;
  ASSERT_EQ(all.size(), 7U);
  EXPECT_TRUE(all[0].survived() && all[1].survived());
  EXPECT_EQ(all[2].removed_by(), 2U);
  for (const size_t i : {3, 4, 5}) EXPECT_EQ(all[i].removed_by(), 1U);
  EXPECT_FALSE(all[6].before.has_value());
  EXPECT_FALSE(all[6].survived());
  const std::vector<StageReport>& reports = watched.value().result.reports;
  EXPECT_TRUE(reports[0].skipped);
  const double two = 1 + std::exp(-2.0);
  const double three = two + std::exp(-5.0);
  const double six = three + std::exp(-8.0) + std::exp(-9.0) + std::exp(-9.5);
  EXPECT_NEAR(*reports[1].mass_kept, three / six, 1e-14);
  EXPECT_NEAR(*reports[2].mass_kept, two / three, 1e-14);
}

TEST(WatchedChain, RefusesIdsOutsideTheVocabulary) {
  for (const int32_t id : {-1, 3, std::numeric_limits<int32_t>::max()}) {
    const auto watched = watch_chain(std::vector<float>{1, 2, 3}, Settings{}, 1, std::vector<int32_t>{id});
    ASSERT_FALSE(watched.ok());
    EXPECT_EQ(watched.error().code, ErrorCode::kUsage);
  }
}

}  // namespace
}  // namespace pellucid::sampling
