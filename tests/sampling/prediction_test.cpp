// What the model itself said of a step, beside sums in long double.
#include "sampling/prediction.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace pellucid::sampling {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();

Prediction predicted(const std::vector<float>& logits, int32_t token) {
  const auto prediction = prediction_of(logits, token);
  EXPECT_TRUE(prediction.ok());
  return prediction.value();
}

/// By the definitions, one term after another.
Prediction plain(const std::vector<float>& logits, int32_t token) {
  long double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<long double>(logit));
  Prediction prediction;
  long double entropy = 0;
  for (const float logit : logits) {
    const long double p = std::exp(static_cast<long double>(logit)) / sum;
    if (p > 0) entropy -= p * std::log2(p);
  }
  const auto own = static_cast<long double>(logits[static_cast<size_t>(token)]);
  prediction.entropy_bits = static_cast<double>(entropy);
  prediction.log_sum_exp = static_cast<double>(std::log(sum));
  prediction.probability = static_cast<double>(std::exp(own) / sum);
  prediction.surprise_bits = static_cast<double>(-std::log2(std::exp(own) / sum));
  return prediction;
}

TEST(Prediction, IsOfTheWholeVocabulary) {
  std::vector<float> logits(9001);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>((i * 7919) % 9001) / 600 - 4;
  for (const int32_t token : {0, 1, 77, 4500, 9000}) {
    const Prediction made = predicted(logits, token);
    const Prediction wanted = plain(logits, token);
    EXPECT_NEAR(made.entropy_bits, wanted.entropy_bits, 1e-6);
    EXPECT_NEAR(made.log_sum_exp, wanted.log_sum_exp, 1e-7);
    EXPECT_NEAR(made.probability, wanted.probability, 1e-7 * wanted.probability);
    EXPECT_NEAR(*made.surprise_bits, *wanted.surprise_bits, 2e-7);
    EXPECT_EQ(made.rank, 9000 - static_cast<size_t>(token) * 7919 % 9001);
  }
}

TEST(Prediction, IsExactOfFewTokens) {
  std::vector<float> logits(32);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>((i * 7) % 32) / 4 - 4;
  for (const int32_t token : {0, 1, 17, 31}) {
    const Prediction made = predicted(logits, token);
    const Prediction wanted = plain(logits, token);
    EXPECT_NEAR(made.entropy_bits, wanted.entropy_bits, 1e-12);
    EXPECT_NEAR(made.log_sum_exp, wanted.log_sum_exp, 1e-12);
    EXPECT_NEAR(made.probability, wanted.probability, 1e-14);
    EXPECT_NEAR(*made.surprise_bits, *wanted.surprise_bits, 1e-12);
  }
}

/// With every width of vectors and on every architecture: `make neon` runs this, too.
TEST(Prediction, HasTheSameBitsEverywhere) {
  std::vector<float> logits(40000);
  uint32_t state = 1;
  for (float& logit : logits) {
    state = state * 1664525 + 1013904223;
    logit = static_cast<float>(state >> 8) / 0x1p20F - 3;
  }
  const Prediction made = predicted(logits, 12345);
  EXPECT_EQ(std::bit_cast<uint64_t>(made.log_sum_exp), 0x4034D2D0388056DEU);
  EXPECT_EQ(std::bit_cast<uint64_t>(made.entropy_bits), 0x402975BCC663F954U);
  EXPECT_EQ(std::bit_cast<uint64_t>(*made.surprise_bits), 0x40401D37742FCDCDU);
}

TEST(Prediction, EqualLogitsAreRankedById) {
  const std::vector<float> logits(1024, 2.5F);
  const Prediction made = predicted(logits, 700);
  EXPECT_EQ(made.rank, 700U);
  EXPECT_NEAR(made.entropy_bits, 10, 1e-12);
  EXPECT_NEAR(*made.surprise_bits, 10, 1e-12);
  EXPECT_EQ(made.probability, 1.0 / 1024);
}

TEST(Prediction, WhatTheModelRulesOutHasNoRank) {
  const Prediction made = predicted({kNone, 3, kNone, 3}, 2);
  EXPECT_EQ(made.probability, 0);
  EXPECT_EQ(made.rank, std::nullopt);
  EXPECT_EQ(made.surprise_bits, std::nullopt);
  EXPECT_NEAR(made.entropy_bits, 1, 1e-15);
  EXPECT_EQ(predicted({kNone, 3, kNone, 3}, 3).rank, 1U);
}

TEST(Prediction, ASurpriseIsFiniteWhereTheProbabilityIsNot) {
  const Prediction made = predicted({2000, 0}, 1);
  EXPECT_EQ(made.probability, 0);
  EXPECT_NEAR(*made.surprise_bits, 2000 / std::log(2.0), 1e-9);
  EXPECT_EQ(made.entropy_bits, 0);
}

TEST(Prediction, LogitsThatAreNoneAreRefused) {
  EXPECT_FALSE(prediction_of(std::vector<float>{}, 0).ok());
  EXPECT_FALSE(prediction_of(std::vector<float>{1, std::nanf("")}, 0).ok());
  EXPECT_FALSE(prediction_of(std::vector<float>{kNone, kNone}, 0).ok());
}

}  // namespace
}  // namespace pellucid::sampling
