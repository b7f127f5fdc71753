// The loops over blocks beside one number at a time: the same, whatever vectors they are compiled for.
#include "sampling/block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "sampling/exp.h"
#include "sampling/support.h"

namespace pellucid::sampling {
namespace {

using test::kInfinity;

/// Some values often, some of them -inf.
std::vector<float> a_block(std::mt19937& random, size_t n) {
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> block(n);
  for (float& x : block) x = random() % 20 == 0 ? -kInfinity : std::round(normal(random) * 4) / 4;
  return block;
}

TEST(Block, ScanFindsTheMaximumAndWhatIsNoLogit) {
  std::mt19937 random(1);
  for (size_t n = 1; n <= kBlock; ++n) {
    std::vector<float> block = a_block(random, n);
    const size_t at = random() % n;
    const std::vector<float> odd{1, -kInfinity, kInfinity, std::numeric_limits<float>::quiet_NaN(), 3e38F};
    block[at] = odd[n % odd.size()];
    bool finite = true;
    float maximum = -kInfinity;
    for (const float x : block) {
      finite &= std::isfinite(x);
      maximum = std::fmax(maximum, x);
    }
    float found = 0;
    EXPECT_EQ(scan(block, {&found, 1}), finite) << n;
    EXPECT_EQ(found, maximum) << n;
  }
  std::vector<float> row = a_block(random, 5 * kBlock + 3);
  row[700] = 99;
  std::array<float, 6> maxima{};
  scan(row, maxima);
  EXPECT_EQ(maxima[2], 99);
  EXPECT_EQ(maxima[5], *std::max_element(row.end() - 3, row.end()));
}

TEST(Block, ReachingFindsThePlacesInOrder) {
  std::mt19937 random(2);
  for (size_t n = 0; n <= kBlock; ++n) {
    const std::vector<float> block = a_block(random, n);
    for (const float floor : {-kInfinity, -2.0F, 0.0F, 3.25F, 1e9F}) {
      std::vector<size_t> expected;
      for (size_t i = 0; i < n; ++i) {
        if (block[i] >= floor && block[i] != -kInfinity) expected.push_back(i);
      }
      const Places found = reaching(block, floor);
      EXPECT_EQ(std::vector<size_t>(found.all().begin(), found.all().end()), expected) << n << ' ' << floor;
    }
  }
}

TEST(Block, ExpOfManyIsTheSameBits) {
  std::mt19937_64 random(2);
  for (const size_t n : {0, 1, 7, 8, 15, 4001}) {
    std::vector<double> values(n);
    for (double& x : values)
      x = -std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 60) - 92);
    if (n > 8) values[3] = -std::numeric_limits<double>::infinity();
    std::vector<double> many = values;
    exp_nonpositive(many);
    for (size_t i = 0; i < n; ++i) {
      ASSERT_EQ(std::bit_cast<uint64_t>(many[i]), std::bit_cast<uint64_t>(exp_nonpositive(values[i])))
          << values[i];
    }
  }
}

TEST(Block, RoughWeightsAreWithinTheirBound) {
  std::mt19937 random(3);
  for (size_t n = 1; n <= kBlock; ++n) {
    std::vector<float> block = a_block(random, n);
    block[random() % n] = -kInfinity;
    for (const float limit : {11.0F, 0.0F, -2.5F, block[random() % n]}) {
      if (limit == -kInfinity) continue;
      for (const float scale : {1e-6F, 0.3F, 1.0F, 1.7F, 50.0F, 1e6F}) {
        long double exact = 0;
        for (const float x : block) {
          const auto below = static_cast<long double>(x) - static_cast<long double>(limit);
          exact += x <= limit ? std::exp(below * static_cast<long double>(scale)) : 0;
        }
        const auto rough = static_cast<long double>(rough_weight(block, limit, scale));
        EXPECT_LE(static_cast<double>(std::abs(rough - exact) / (1 + exact)), kRoughError)
            << n << ' ' << scale;
      }
    }
  }
}

/// By the definition, in long double.
TailSums plain_tail(const std::vector<float>& logits, float limit) {
  long double weights = 0;
  long double products = 0;
  for (const float x : logits) {
    if (x > limit || x == -kInfinity) continue;
    const auto below = static_cast<long double>(x) - static_cast<long double>(limit);
    weights += std::exp(below);
    products += std::exp(below) * below;
  }
  return {.weights = static_cast<double>(weights), .products = static_cast<double>(products)};
}

TEST(Block, TailsAreWithinTheirBound) {
  std::mt19937 random(4);
  for (size_t n = 1; n <= 2 * kBlock; ++n) {
    std::vector<float> row = a_block(random, n);
    row[random() % n] = -kInfinity;
    for (const float limit : {11.0F, 0.0F, -2.5F, row[random() % n]}) {
      if (limit == -kInfinity) continue;
      const TailSums made = tail_sums(row, limit);
      const TailSums wanted = plain_tail(row, limit);
      EXPECT_NEAR(made.weights, wanted.weights, 1e-6 * wanted.weights + 1e-30) << n << ' ' << limit;
      EXPECT_NEAR(made.products, wanted.products, 1e-6 * -wanted.products + 1e-30) << n << ' ' << limit;
    }
  }
}

TEST(Block, WhatEqualsTheLimitOfATailWeighsOne) {
  const TailSums made = tail_sums(std::vector<float>(1000, -3.25F), -3.25F);
  EXPECT_EQ(made.weights, 1000);
  EXPECT_NEAR(made.products, 0, 1e-30);  // what fills the last vector up
}

}  // namespace
}  // namespace pellucid::sampling
