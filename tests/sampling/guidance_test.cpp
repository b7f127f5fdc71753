// Classifier-free guidance: scores against transformers' processor (scripts/golden_guidance.py), the chain
// that begins with them, and what it refuses.
#include "sampling/guidance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>

#include "sampling/golden_case.h"
#include "sampling/support.h"
#include "sampling/watch.h"

namespace pellucid::sampling {
namespace {

constexpr size_t kKept = 16;  // scores of a golden case
using test::kInfinity;

std::vector<float> unconditional_row(uint64_t seed, size_t n) {
  SplitMix random(seed);
  const uint64_t kind = 3 * random.below(2);
  std::vector<float> row;
  for (size_t i = 0; i < n; ++i) row.push_back(static_cast<float>(golden_logit(random, kind)));
  return row;
}

std::vector<float> guided(std::span<const float> c, std::span<const float> u, double scale) {
  auto result = guided_logits(c, u, scale);
  EXPECT_TRUE(result.ok());
  return result.ok() ? std::move(result).value() : std::vector<float>();
}

Settings with_scale(double scale) {
  Settings settings = test::all_off();
  settings.guidance_scale = scale;
  return settings;
}

TEST(Guidance, GivesTheScoresOfTransformers) {
  std::ifstream text(PELLUCID_TEST_DATA "/golden/samplers/guidance.txt");
  std::ostringstream bytes;
  bytes << std::ifstream(PELLUCID_TEST_DATA "/golden/samplers/guidance.bin", std::ios::binary).rdbuf();
  std::vector<float> expected(bytes.str().size() / sizeof(float));
  std::memcpy(expected.data(), bytes.str().data(), expected.size() * sizeof(float));
  size_t number = 0;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with('#')) continue;
    const double scale = std::stod(line.substr(line.find('=') + 1));
    const GoldenCase step(2 * number, 20);
    const size_t n = step.logits.size();
    const auto scores = guided(step.logits, unconditional_row(2 * number + 1, n), scale);
    ASSERT_LE((number + 1) * kKept, expected.size());
    for (size_t k = 0; k < kKept; ++k) {
      const float score = scores[k * n / kKept];
      const float reference = expected[number * kKept + k];
      if (std::isinf(reference)) {
        EXPECT_EQ(score, reference) << "case " << number;
      } else {
        EXPECT_NEAR(score, reference, 5e-5) << "case " << number << ", score " << k;
      }
    }
    ++number;
  }
  EXPECT_EQ(number * kKept, expected.size());
  EXPECT_GE(number, 300u);
}

TEST(Guidance, OfNothingIsTheUnconditionalTextAndOfOneTheConditional) {
  const std::vector<float> c{2, 1, 0.5F, -3};
  const std::vector<float> u{-1, 4, 0, 2};
  for (const auto& [scale, row] : {std::pair{0.0, u}, std::pair{1.0, c}}) {
    const std::vector<double> expected = test::textbook(row, test::all_off());
    const std::vector<float> scores = guided(c, u, scale);
    for (size_t i = 0; i < row.size(); ++i) EXPECT_NEAR(std::exp(scores[i]), expected[i], 1e-6);
  }
}

TEST(Guidance, RulesOutWhatOneOfTheTextsRulesOut) {
  const std::vector<float> c{2, -kInfinity, 0.5F};
  const std::vector<float> u{-1, 4, -kInfinity};
  for (const double scale : {0.0, 0.5, 2.0, 100.0}) {
    const std::vector<float> scores = guided(c, u, scale);
    EXPECT_TRUE(std::isfinite(scores[0]));
    EXPECT_EQ(scores[1], -kInfinity);
    EXPECT_EQ(scores[2], -kInfinity);
  }
}

TEST(Guidance, RefusesRowsThatAreNone) {
  const std::vector<float> good{1, 2};
  const std::vector<float> three{1, 2, 3};
  const std::vector<float> nan{1, std::nanf("")};
  const std::vector<float> out{-kInfinity, -kInfinity};
  EXPECT_EQ(guided_logits(good, three, 2).error().code, ErrorCode::kUsage);
  EXPECT_EQ(guided_logits(good, {}, 2).error().code, ErrorCode::kUsage);
  EXPECT_EQ(guided_logits(good, nan, 2).error().code, ErrorCode::kNumeric);
  EXPECT_EQ(guided_logits(nan, good, 2).error().code, ErrorCode::kNumeric);
  EXPECT_EQ(guided_logits(good, out, 2).error().code, ErrorCode::kNumeric);
  const auto none_left = run_chain(std::vector<float>{1, -kInfinity}, with_scale(2),
                                   {.unconditional = std::vector<float>{-kInfinity, 1}});
  EXPECT_EQ(none_left.error().code, ErrorCode::kUsage);
}

TEST(Guidance, TheChainGoesOnFromTheGuidedLogits) {
  for (uint64_t number = 0; number < 200; ++number) {
    const GoldenCase step(number, 20);
    const std::vector<float> u = unconditional_row(number + 1000, step.logits.size());
    Settings settings = with_scale(0.5 * static_cast<double>(number % 7));
    settings.top_k = static_cast<int32_t>(number % 9);
    settings.repetition_penalty = 1.2;
    Settings plain = settings;
    plain.guidance_scale = 1;
    Context context{.tokens = step.tokens, .unconditional = u};
    WatchedBest watched{.top = 3};
    const auto fast = run_chain(step.logits, settings, context, {}, &watched);
    const auto seen = watch_chain(step.logits, settings, 3, {}, context);
    const std::vector<float> scores = guided(step.logits, u, settings.guidance_scale);
    const bool on = settings.guidance_scale != 1;
    const auto by_hand = run_chain(on ? std::span<const float>(scores) : step.logits, plain, context);
    ASSERT_TRUE(fast.ok() && seen.ok() && by_hand.ok());
    for (const Candidates* one : {&fast.value().candidates, &seen.value().result.candidates}) {
      EXPECT_TRUE(std::ranges::equal(one->ids(), by_hand.value().candidates.ids()));
      EXPECT_TRUE(std::ranges::equal(one->logits(), by_hand.value().candidates.logits()));
    }
    EXPECT_EQ(fast.value().reports.front().stage == StageId::kGuidance, on);
    for (size_t i = 0; i < watched.best.ids.size(); ++i) {
      EXPECT_EQ(watched.best.ids[i], seen.value().candidates[i].id);
    }
  }
}

TEST(Guidance, OfALargeVocabularyOutlivesTheChain) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> row(20000);
  std::vector<float> u(row.size());
  for (float& logit : row) logit = normal(random);
  for (float& logit : u) logit = normal(random);
  const Settings settings = with_scale(1.5);  // and nothing cuts
  const Candidates left = run_chain(row, settings, {.unconditional = u}).value().candidates;
  const std::vector<float> scores = guided(row, u, 1.5);
  ASSERT_EQ(left.size(), row.size());
  EXPECT_EQ(left.logit(0), static_cast<double>(*std::ranges::max_element(scores)));
  const std::vector<double> by_id = left.by_id();
  for (size_t id = 0; id < row.size(); ++id) ASSERT_EQ(by_id[id], static_cast<double>(scores[id])) << id;
}

TEST(Guidance, HasToBeTheFirstStage) {
  Settings settings = with_scale(2);
  EXPECT_TRUE(check(settings).ok());
  settings.order = {StageId::kTemperature, StageId::kGuidance};
  EXPECT_EQ(check(settings).error().message(),
            "setting order: guidance, the stage of guidance_scale, has to be the first");
  settings.order = {};
  EXPECT_FALSE(check(settings).ok());
  settings.guidance_scale = 1;
  EXPECT_TRUE(check(settings).ok());
  for (const double wrong : {-0.5, 101.0, std::nan(""), HUGE_VAL}) {
    EXPECT_FALSE(check(with_scale(wrong)).ok()) << wrong;
  }
}

}  // namespace
}  // namespace pellucid::sampling
