// The watermark: green lists and scores against transformers' (golden_test.cpp has its logits), sizes, and
// the statistics of texts with and without.
#include "sampling/watermark.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "repetitions.h"
#include "sampling/chain.h"
#include "sampling/golden_case.h"
#include "sampling/support.h"

namespace pellucid::sampling {
namespace {

Settings with(int32_t key, double ratio, WatermarkScheme scheme = WatermarkScheme::kLeftHash,
              int32_t context = 1) {
  Settings settings = test::all_off();
  settings.watermark_bias = 2;
  settings.watermark_key = key;
  settings.watermark_ratio = ratio;
  settings.watermark_scheme = scheme;
  settings.watermark_context = context;
  return settings;
}

TEST(Watermark, AListHoldsExactlyItsPartOfTheVocabulary) {
  for (const size_t vocabulary : {1U, 2U, 3U, 7U, 100U, 1001U, 49152U}) {
    for (const double ratio : {0.001, 0.1, 0.25, 0.5, 0.999}) {
      const Settings settings = with(7919, ratio);
      const GreenLists lists(settings, vocabulary);
      const auto expected = static_cast<size_t>(std::floor(static_cast<double>(vocabulary) * ratio));
      EXPECT_EQ(lists.size(), expected);
      for (const int32_t last : {0, 1, 99, 49151}) {
        const std::vector<bool> green = lists.after(last);
        ASSERT_EQ(green.size(), vocabulary);
        ASSERT_EQ(static_cast<size_t>(std::count(green.begin(), green.end(), true)), expected);
      }
    }
  }
}

TEST(Watermark, OneTokenAndTheWholeListAgree) {
  const Settings settings = with(104729, 0.3);
  const GreenLists lists(settings, 500);
  for (const int32_t last : {0, 17, 499}) {
    const std::vector<bool> green = lists.after(last);
    for (int32_t id = 0; id < 500; ++id) {
      ASSERT_EQ(lists.is_green(std::vector{3, last}, id), green[static_cast<size_t>(id)])
          << last << ' ' << id;
    }
  }
}

/// The text of a line of watermark_scores.txt, as scripts/golden_watermark.py makes it.
struct ScoredText {
  size_t vocabulary;
  std::vector<int32_t> tokens;
  bool ignore;

  explicit ScoredText(uint64_t seed) {
    SplitMix numbers(seed);
    vocabulary = 50 + numbers.below(2000);
    const uint64_t alphabet = numbers.below(2) == 0 ? vocabulary : 5 + numbers.below(20);
    tokens.resize(20 + numbers.below(200));
    for (int32_t& token : tokens) token = static_cast<int32_t>(numbers.below(alphabet));
    ignore = numbers.below(2) == 1;
  }
};

TEST(Watermark, ScoresAreThoseOfTransformers) {
  std::ifstream file(PELLUCID_TEST_DATA "/golden/samplers/watermark_scores.txt");
  std::string line;
  std::getline(file, line);
  uint64_t seed = 0;
  for (; std::getline(file, line); ++seed) {
    std::istringstream words(line);
    Settings settings = test::all_off();
    for (std::string word; words >> word && word != "|";) {
      const size_t equals = word.find('=');
      ASSERT_TRUE(set(settings, word.substr(0, equals), word.substr(equals + 1)).ok()) << word;
    }
    size_t scored = 0;
    size_t green = 0;
    double z = 0;
    double p = 0;
    ASSERT_TRUE(words >> scored >> green >> z >> p) << line;
    const ScoredText text(seed);
    const auto score = score_watermark(text.tokens, settings, text.vocabulary, text.ignore);
    ASSERT_TRUE(score.ok()) << score.error().message();
    EXPECT_EQ(score.value().scored, scored) << line;
    EXPECT_EQ(score.value().green, green) << line;
    EXPECT_DOUBLE_EQ(score.value().z, z) << line;
    EXPECT_NEAR(score.value().p, p, 1e-12 * p) << line;
  }
  EXPECT_GE(seed, 50U);
}

/// Texts of random tokens, each scored with a key of its own: z should be a standard normal number.
std::vector<double> scores_of_chance(WatermarkScheme scheme, int keys, size_t length) {
  constexpr size_t kTokens = 300;
  SplitMix random(20230124);
  std::vector<double> scores;
  for (int i = 0; i < keys; ++i) {
    std::vector<int32_t> tokens(length);
    for (int32_t& token : tokens) token = static_cast<int32_t>(random.below(kTokens));
    const auto key = static_cast<int32_t>(1 + random.below(2147483646));
    scores.push_back(score_watermark(tokens,
                                     with(key, 0.25, scheme, scheme == WatermarkScheme::kSelfHash ? 4 : 1),
                                     kTokens, false)
                         .value()
                         .z);
  }
  std::sort(scores.begin(), scores.end());
  return scores;
}

void expect_standard_normal(const std::vector<double>& scores, double step) {
  const auto n = static_cast<double>(scores.size());
  double mean = 0;
  double square = 0;
  double distance = 0;  // Kolmogorov and Smirnov's
  for (size_t i = 0; i < scores.size(); ++i) {
    mean += scores[i] / n;
    square += scores[i] * scores[i] / n;
    // A score stands for the interval of its step: the normal at the middle between two scores.
    const auto below =
        static_cast<double>(std::lower_bound(scores.begin(), scores.end(), scores[i]) - scores.begin());
    distance =
        std::max(distance, std::abs(below / n - std::erfc(-(scores[i] - step / 2) / std::sqrt(2.0)) / 2));
  }
  EXPECT_NEAR(mean, 0, 4 / std::sqrt(n));
  EXPECT_NEAR(square, 1, 4 * std::sqrt(2 / n));
  EXPECT_LT(distance, 1.95 / std::sqrt(n));  // the 0.1 % point
  EXPECT_GT(distance, 0.3 / std::sqrt(n));   // and of a fit too good
}

TEST(Watermark, TextsWithoutItScoreAsChanceDoes) {
  constexpr size_t kLength = 401;
  const double step = 1 / std::sqrt((kLength - 1) * 0.25 * 0.75);
  expect_standard_normal(scores_of_chance(WatermarkScheme::kLeftHash, repetitions(600), kLength), step);
}

// With several tokens of context; of one alone a token has always the same colour, so that what occurs again
// counts again, and says nothing new.
TEST(Watermark, OfSelfhash) {
  constexpr size_t kLength = 403;
  const double step = 1 / std::sqrt((kLength - 3) * 0.25 * 0.75);
  expect_standard_normal(scores_of_chance(WatermarkScheme::kSelfHash, repetitions(150), kLength), step);
}

/// Draws a text from logits that are all equal.
std::vector<int32_t> drawn_text(const Settings& settings, size_t vocabulary, size_t length) {
  const std::vector<float> logits(vocabulary, 0.0F);
  const std::vector<int32_t> table = watermark_table(settings.watermark_key);
  std::vector<int32_t> tokens{5, 6, 7};
  for (size_t step = 0; step < length; ++step) {
    Context context;
    context.tokens = tokens;
    context.watermark_table = table;
    const auto chain = run_chain(logits, settings, context).value();
    tokens.push_back(draw(chain.candidates, 1, 0, step).token);
  }
  return tokens;
}

TEST(Watermark, IsFoundWithItsKeyAndNotWithAnother) {
  for (const auto scheme : {WatermarkScheme::kLeftHash, WatermarkScheme::kSelfHash}) {
    for (const int32_t context : {1, 3}) {
      Settings settings = with(86028121, 0.25, scheme, context);
      // Of 40 equal tokens, exp(2) to 1 for green ones: 71 % are green.
      const std::vector<int32_t> tokens = drawn_text(settings, 40, 400);
      const WatermarkScore score = score_watermark(tokens, settings, 40, false).value();
      EXPECT_NEAR(score.fraction(), 0.71, 0.08);
      EXPECT_GT(score.z, 15);
      EXPECT_LT(score.p, 1e-50);
      settings.watermark_key = 86028157;
      EXPECT_LT(std::abs(score_watermark(tokens, settings, 40, true).value().z), 4);
    }
  }
}

TEST(Watermark, RepeatedNgramsCountOnceWhereAsked) {
  const Settings settings = with(3, 0.5);
  const std::vector<int32_t> tokens{1, 2, 1, 2, 1, 2, 3};  // 1+2, 2+1, 2+3
  EXPECT_EQ(score_watermark(tokens, settings, 10, false).value().scored, 6U);
  EXPECT_EQ(score_watermark(tokens, settings, 10, true).value().scored, 3U);
}

TEST(Watermark, WhatCannotBeScoredIsRefused) {
  const Settings settings = with(3, 0.5, WatermarkScheme::kLeftHash, 4);
  for (const std::vector<int32_t>& tokens : {std::vector<int32_t>{}, std::vector{1, 2, 3, 4},
                                             std::vector{1, 2, 3, 4, 10}, std::vector{1, 2, -1, 4, 5}}) {
    EXPECT_EQ(score_watermark(tokens, settings, 10, false).error().code, ErrorCode::kUsage);
  }
  EXPECT_FALSE(score_watermark(std::vector{0, 0, 0, 0, 0}, settings, 0, false).ok());
}

TEST(Watermark, WithTooLittleTextNothingChanges) {
  Settings settings = with(3, 0.5, WatermarkScheme::kLeftHash, 4);
  const std::vector<float> logits{1, 2, 3};
  const std::vector<int32_t> few{0, 1, 2};
  Context context;
  context.tokens = few;
  EXPECT_EQ(run_chain(logits, settings, context).value().reports.back().changed, 0U);
  settings.watermark_context = 3;
  EXPECT_EQ(run_chain(logits, settings, context).value().reports.back().changed, 1U);
}

}  // namespace
}  // namespace pellucid::sampling
