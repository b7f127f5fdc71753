// All stages together: the fast chain and the watched one give the same bits in any order; rules and errors
// by example; our logarithm.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>

#include "repetitions.h"
#include "sampling/chain.h"
#include "sampling/log.h"
#include "sampling/registry.h"
#include "sampling/step.h"
#include "sampling/support.h"
#include "sampling/watch.h"

namespace pellucid::sampling {
namespace {

/// Any settings at all.
Settings any_settings(RandomSteps& r) {
  Settings s = r.settings();
  s.order = default_order();
  for (size_t i = s.order.size(); i > 1; --i) std::swap(s.order[i - 1], s.order[r.below(i)]);
  const auto sometimes = [&](auto& field, auto value) {
    if (r.below(4) == 0) field = value;
  };
  sometimes(s.min_p, pick(r, {0.01, 0.3, 1}));
  sometimes(s.typical_p, pick(r, {0, 0.5, 0.9}));
  sometimes(s.epsilon_cutoff, pick(r, {1e-3, 1}));
  sometimes(s.eta_cutoff, pick(r, {1e-3, 1}));
  sometimes(s.top_h, pick(r, {0.3, 1}));
  sometimes(s.top_n_sigma, pick(r, {0.5, 2, 1e6}));
  sometimes(s.top_a, pick(r, {0.1, 1}));
  sometimes(s.xtc_probability, pick(r, {0.5, 1}));
  sometimes(s.dynatemp_range, pick(r, {0.5, 1e9}));
  sometimes(s.mirostat, 1 + static_cast<int32_t>(r.below(2)));
  sometimes(s.adaptive_target, pick(r, {0, 0.3, 1}));
  sometimes(s.repetition_penalty, pick(r, {0.01, 1.3, 100}));
  sometimes(s.frequency_penalty, pick(r, {-100, 0.3, 100}));
  sometimes(s.presence_penalty, pick(r, {-100, 0.3, 100}));
  sometimes(s.no_repeat_ngram_size, 1 + static_cast<int32_t>(r.below(4)));
  sometimes(s.dry_multiplier, pick(r, {0.8, 1e6}));
  sometimes(s.length_decay_factor, pick(r, {0.01, 1.1, 100}));
  sometimes(s.min_new_tokens, static_cast<int32_t>(r.below(80)));
  sometimes(s.min_length, static_cast<int32_t>(r.below(80)));
  sometimes(s.logit_bias, std::vector<SequenceBias>{{{0}, pick(r, {-1e9, 2, 1e9, -INFINITY})}});
  sometimes(s.suppress_tokens, TokenIds{0});
  sometimes(s.watermark_bias, pick(r, {-3, 2, 1000}));
  sometimes(s.watermark_context, 3);
  sometimes(s.top_k_ties, TopKTies::kKeep);
  sometimes(s.top_p_crossing, static_cast<TopPCrossing>(r.below(3)));
  return s;
}

TEST(Stages, FastAndWatchedAreTheSameBitsInAnyOrder) {
  RandomSteps random(99);
  int ran = 0;
  for (int i = 0; i < repetitions(12'000); ++i) {
    const Step step(random, i % 50 == 0 ? 20000 : 200);
    const Settings settings = any_settings(random);
    const auto fast = run_chain(step.logits, settings, step.context, step.state);
    const auto watched = watch_chain(step.logits, settings, 3, {}, step.context, step.state);
    ASSERT_EQ(fast.ok(), watched.ok()) << to_string(settings);
    if (!fast.ok()) continue;
    ++ran;
    const Candidates& a = fast.value().candidates;
    const Candidates& b = watched.value().result.candidates;
    ASSERT_EQ(a.size(), b.size()) << to_string(settings);
    ASSERT_GE(a.size(), 1U);
    for (size_t rank = 0; rank < a.size(); ++rank) {
      ASSERT_EQ(a.ids()[rank], b.ids()[rank]) << to_string(settings);
      ASSERT_EQ(std::bit_cast<uint64_t>(a.probability(rank)), std::bit_cast<uint64_t>(b.probability(rank)));
      ASSERT_TRUE(std::isfinite(a.probability(rank)) && std::isfinite(a.logits()[rank]))
          << to_string(settings);
    }
    const Draw one = draw(a, 1, 2, 3);
    ASSERT_EQ(advanced(step.state, settings, fast.value(), one),
              advanced(step.state, settings, watched.value().result, one));
    const auto& reports = watched.value().result.reports;
    ASSERT_EQ(fast.value().reports.size(), reports.size());
    for (size_t k = 0; k < reports.size(); ++k) {
      ASSERT_EQ(fast.value().reports[k].kept, reports[k].kept) << to_string(settings);
      if (reports[k].skipped) continue;
      ASSERT_TRUE(std::isfinite(reports[k].threshold) && std::isfinite(reports[k].measure))
          << to_string(settings);
      ASSERT_FALSE(row(reports[k].stage).summary(reports[k]).empty());
    }
  }
  EXPECT_GT(ran, repetitions(8'000));
}

TEST(Stages, MirostatOfALargeVocabularyKeepsTheSameWatchedOrNot) {
  std::mt19937 random(32);
  for (const float spread : {0.0F, 0.5F, 2.0F, 4.0F, 9.0F}) {
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> row(30'000);
    for (float& logit : row) logit = spread == 0 ? 1 : normal(random);
    for (const double mu : {-3.0, 0.0, 0.5, 3.0, 9.0, 14.0, 14.9, 40.0}) {
      for (const double version : {1.0, 2.0}) {
        Settings settings = test::all_off();
        settings.mirostat = static_cast<int>(version);
        const State state{.mirostat_mu = mu};
        WatchedBest best{.top = 2};
        const ChainResult unseen = run_chain(row, settings, {}, state).value();
        const ChainResult seen = run_chain(row, settings, {}, state, &best).value();
        const ChainResult slow = std::move(watch_chain(row, settings, 2, {}, {}, state)).value().result;
        ASSERT_EQ(unseen.candidates.size(), seen.candidates.size()) << spread << ' ' << mu;
        ASSERT_EQ(unseen.candidates.size(), slow.candidates.size()) << spread << ' ' << mu;
        EXPECT_TRUE(std::isfinite(seen.reports.back().threshold));
      }
    }
  }
}

TEST(Stages, TopPOfALargeVocabularyKeepsTheSameWatchedOrNot) {
  std::mt19937 random(31);
  for (const float spread : {0.0F, 0.5F, 2.0F, 4.0F, 9.0F}) {
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> row(30'000);
    for (float& logit : row) logit = spread == 0 ? 1 : normal(random);
    for (const double p : {0.0, 1e-6, 0.3, 0.5, 0.9, 0.999, 1 - 1e-9}) {
      for (const TopPCrossing crossing : {TopPCrossing::kKeep, TopPCrossing::kPass, TopPCrossing::kDrop}) {
        Settings settings = test::all_off();
        settings.temperature = 0.8;
        settings.top_p = p;
        settings.top_p_crossing = crossing;
        WatchedBest best{.top = 2};
        const ChainResult unseen = run_chain(row, settings).value();
        const ChainResult seen = run_chain(row, settings, {}, {}, &best).value();
        ASSERT_EQ(unseen.candidates.size(), seen.candidates.size()) << spread << ' ' << p;
        EXPECT_EQ(unseen.candidates.id(0), seen.candidates.id(0));
        EXPECT_TRUE(std::isfinite(seen.reports.back().threshold));
      }
    }
  }
}

TEST(Stages, TopKMayKeepTies) {
  Settings settings = test::all_off();
  settings.top_k = 2;
  settings.top_k_ties = TopKTies::kKeep;
  std::vector<float> row(2000, 0.0F);
  for (const size_t id : {5U, 700U, 1500U}) row[id] = 1;
  row[900] = 2;
  const Candidates left = run_chain(row, settings).value().candidates;
  EXPECT_EQ(std::vector<int32_t>(left.ids().begin(), left.ids().end()),
            (std::vector<int32_t>{900, 5, 700, 1500}));
}

TEST(Stages, TopPCrossing) {
  Settings settings = test::all_off();
  settings.top_p = 0.7;
  std::vector<float> row;
  for (const double p : {0.5, 0.3, 0.2}) row.push_back(static_cast<float>(std::log(p)));
  const auto kept = [&](TopPCrossing crossing, double p) {
    settings.top_p = p;
    settings.top_p_crossing = crossing;
    return run_chain(row, settings).value().candidates.size();
  };
  EXPECT_EQ(kept(TopPCrossing::kKeep, 0.7), 2U);
  EXPECT_EQ(kept(TopPCrossing::kPass, 0.7), 2U);
  EXPECT_EQ(kept(TopPCrossing::kDrop, 0.7), 1U);
  EXPECT_EQ(kept(TopPCrossing::kKeep, 0.8), 2U);  // exactly
  EXPECT_EQ(kept(TopPCrossing::kPass, 0.8), 3U);
  EXPECT_EQ(kept(TopPCrossing::kDrop, 0.8), 2U);
  EXPECT_EQ(kept(TopPCrossing::kDrop, 0.1), 1U);
}

TEST(Stages, MirostatSteersTheSurprise) {
  std::vector<float> row;
  for (int i = 1; i <= 3000; ++i) row.push_back(static_cast<float>(-1.1 * std::log(i)));
  Settings settings = test::all_off();
  for (const int32_t version : {1, 2}) {
    settings.mirostat = version;
    for (const double tau : {2.0, 4.0}) {
      settings.mirostat_tau = tau;
      State state;
      double surprise = 0;
      constexpr int kSteps = 2000;
      for (int step = 0; step < kSteps; ++step) {
        const ChainResult chain = run_chain(row, settings, {}, state).value();
        const Draw one = draw(chain.candidates, 6, 0, static_cast<uint64_t>(step));
        surprise -= std::log2(one.probability) / kSteps;
        state = advanced(state, settings, chain, one);
      }
      EXPECT_NEAR(surprise, tau, 0.1) << version;
    }
  }
}

TEST(Stages, TheCoinOfXtcIsFairAndIndependentOfTheDraw) {
  // Four equal tokens above the threshold: heads leaves one of them, tails all.
  Settings settings = test::all_off();
  settings.xtc_probability = 0.3;
  const std::vector<float> row{1, 1, 1, 1};
  constexpr int kSteps = repetitions(100'000);
  constexpr size_t kCells = 4;
  std::array<std::array<double, kCells>, kCells> counts{};
  int heads = 0;
  Context context;
  context.seed = 11;
  for (int step = 0; step < kSteps; ++step) {
    context.step = static_cast<uint64_t>(step);
    const ChainResult chain = run_chain(row, settings, context).value();
    heads += chain.candidates.size() == 1 ? 1 : 0;
    const double coin = chain.reports.back().random->u;
    const double u = draw(chain.candidates, context.seed, context.stream, context.step).u;
    ++counts[static_cast<size_t>(coin * kCells)][static_cast<size_t>(u * kCells)];
  }
  EXPECT_NEAR(heads, 0.3 * kSteps, 5 * std::sqrt(0.21 * kSteps));
  double chi_square = 0;
  for (const auto& line : counts) {
    for (const double count : line) {
      const double expected = kSteps / static_cast<double>(kCells * kCells);
      chi_square += (count - expected) * (count - expected) / expected;
    }
  }
  EXPECT_LT(chi_square, 37.7);  // the 0.1 % point of 15 degrees of freedom
  EXPECT_GT(chi_square, 3.5);   // and of a fit too good
}

TEST(Stages, RulingOutEverythingIsAnErrorThatNamesTheSetting) {
  Settings settings = test::all_off();
  settings.suppress_tokens = {0, 1, 2};
  const auto chain = run_chain(std::vector<float>{1, 2, 3}, settings);
  ASSERT_FALSE(chain.ok());
  EXPECT_EQ(chain.error().code, ErrorCode::kUsage);
  EXPECT_NE(chain.error().message().find("suppress_tokens"), std::string::npos);
}

TEST(Stages, TokensOutsideTheVocabularyAreRefused) {
  for (const char* text : {"logit_bias=3=1", "bad_words=0+3", "suppress_tokens=3", "allowed_tokens=0,3"}) {
    Settings settings = test::all_off();
    const std::string_view word(text);
    ASSERT_TRUE(set(settings, word.substr(0, word.find('=')), word.substr(word.find('=') + 1)).ok());
    const auto chain = run_chain(std::vector<float>{1, 2, 3}, settings);
    ASSERT_FALSE(chain.ok()) << text;
    EXPECT_NE(chain.error().message().find("no token 3"), std::string::npos) << chain.error().message();
  }
}

TEST(Log, IsWithinTwoUnitsInTheLastPlace) {
  RandomSteps random(4);
  double worst = 0;
  for (int i = 0; i < 300'000; ++i) {
    const double x =
        std::ldexp(1 + static_cast<double>(random.below(1U << 30)) / (1U << 30),
                   static_cast<int>(random.below(2000)) - 1000 * static_cast<int>(random.below(2)));
    if (!std::isnormal(x)) continue;
    const auto exact = std::log(static_cast<long double>(x));
    const double ulp =
        std::nextafter(std::abs(static_cast<double>(exact)), INFINITY) - std::abs(static_cast<double>(exact));
    worst = std::max(worst,
                     static_cast<double>(std::abs(static_cast<long double>(log_positive(x)) - exact)) / ulp);
  }
  EXPECT_LT(worst, 2);
  EXPECT_EQ(log_positive(1), 0);
  for (const double y : {-3.0, -0.5, 0.5, 2.0, 7.25})
    EXPECT_NEAR(power(1.75, y) / std::pow(1.75, y), 1, 1e-14);
  EXPECT_EQ(power(3, 5U), 243);
}

}  // namespace
}  // namespace pellucid::sampling
