// Long rows, which threads look through together: what comes of them is what one thread finds.
#include "sampling/parts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "sampling/candidates.h"
#include "sampling/draw.h"
#include "sampling/prediction.h"

namespace pellucid::sampling {
namespace {

constexpr size_t kVocabulary = 4 * kPart + 1000;

std::vector<float> a_long_row(uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> row(kVocabulary);
  for (float& logit : row) logit = random() % 9 == 0 ? -INFINITY : normal(random);
  return row;
}

/// Some in every part, next to its ends too.
Edits edits_of_every_part(const std::vector<float>& row) {
  Edits edits;
  for (size_t part = 0; part * kPart < row.size(); ++part) {
    for (const size_t id : {part * kPart, part * kPart + 5000, (part + 1) * kPart - 1}) {
      if (id < row.size())
        edits.changes.push_back(
            {static_cast<int32_t>(id), id % 3 == 0 ? -INFINITY : 0.25 * static_cast<double>(id % 7)});
    }
  }
  return edits;
}

TEST(Parts, AreTheWholeRowInOrder) {
  ThreadPool threads(3);
  for (const size_t n : {size_t{1}, kPart, 3 * kPart, 3 * kPart + 1, 5 * kPart - 1}) {
    for (ThreadPool* helpers : {static_cast<ThreadPool*>(nullptr), &threads}) {
      size_t next = 0;
      for (const auto& [begin, end] :
           of_parts(n, helpers, [](size_t a, size_t b) { return std::pair(a, b); })) {
        EXPECT_EQ(begin, next);
        EXPECT_EQ(begin % kBlock, 0U);
        next = end;
      }
      EXPECT_EQ(next, n);
    }
  }
}

TEST(Parts, ThreadsChangeNoDrawAndNoPrediction) {
  ThreadPool threads(3);
  for (uint32_t seed = 0; seed < 4; ++seed) {
    const std::vector<float> logits = a_long_row(seed);
    const Edits edits = edits_of_every_part(logits);
    for (uint64_t step = 0; step < 20; ++step) {
      const auto drawn = [&](ThreadPool* helpers) {
        Row row = Row::from(logits, helpers).value();
        row.apply(edits);
        const Candidates candidates(std::move(row));
        const Candidates::Bounds bounds = candidates.total_weight_bounds();
        EXPECT_LE(bounds.high - bounds.low, 3 * kRoughError * bounds.high);
        return drawn_token(candidates, 5, seed, step);
      };
      EXPECT_EQ(drawn(&threads), drawn(nullptr)) << seed << ' ' << step;
    }
    const auto token = static_cast<int32_t>(seed * 40001);
    EXPECT_EQ(prediction_of(logits, token, &threads).value(), prediction_of(logits, token).value());
  }
}

TEST(Parts, TheFirstLogitThatIsNoneIsNamed) {
  ThreadPool threads(2);
  std::vector<float> logits = a_long_row(1);
  logits[3 * kPart + 7] = NAN;
  logits[2 * kPart + 9] = INFINITY;
  const auto row = Row::from(logits, &threads);
  ASSERT_FALSE(row.ok());
  EXPECT_NE(row.error().message().find(std::to_string(2 * kPart + 9)), std::string::npos)
      << row.error().message();
}

}  // namespace
}  // namespace pellucid::sampling
