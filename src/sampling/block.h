// The loops over a vocabulary: a block of logits at a time, with the widest vectors that the processor has.
// One body each, compiled for every width; nothing is fused or reordered, so the bits are the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace pellucid::sampling {

inline constexpr size_t kBlock = 256;

/// The highest of each block of kBlock logits, the last perhaps shorter; maxima has room for all. False where
/// a logit is not finite: one that is NaN counts for no maximum.
bool scan(std::span<const float> logits, std::span<float> maxima);

/// Places of logits in a block, ascending.
struct Places {
  std::array<uint8_t, kBlock> at{};
  size_t n = 0;

  [[nodiscard]] std::span<const uint8_t> all() const& { return {at.data(), n}; }
  std::span<const uint8_t> all() && = delete;
};

/// Where a block of at most kBlock logits has one that is at least `floor`, and not -inf.
Places reaching(std::span<const float> block, float floor);

/// exp_nonpositive() of each value in its place, the same bits.
void exp_nonpositive(std::span<double> values);

/// Sums in kLanes lanes: term i of each call in lane i % kLanes.
inline constexpr size_t kLanes = 16;
using Lanes = std::array<double, kLanes>;
struct WeightSums {
  Lanes weights{};   // exp(below)
  Lanes products{};  // exp(below) * below; 0 where the weight is
};

/// Adds the terms of logits that are this far below the best, all <= 0.
void add_weights(std::span<const double> below, WeightSums& sums);

/// The sum of exp((logit - limit) * scale) over those that are not above `limit`, in float32. Of n < 2^31
/// logits the whole is within kRoughError * (1 + the truth) of the
/// truth: an exponent y has a relative error of 5 * 2^-24 at most, and |y| in the mean, weighted by exp(y)
/// and with one more logit at the limit, is at most ln n < 21.5 (entropy); exp itself is within 2^-13.5, and
/// what is excluded or as good as nothing counts as 2^-126. `scale` is between kLeastScale and kMostScale.
double rough_weight(std::span<const float> logits, float limit, float scale);
inline constexpr double kLeastScale = 1e-30;
inline constexpr double kMostScale = 1e8;
inline constexpr double kRoughError = 0x1p-13;

/// What the logits that are not above `limit`, which is finite, add to the sums of a softmax relative to it:
/// exp(x - limit), and that times (x - limit). In float32, each term within 2^-21 of the truth, or 2^-126,
/// and four in a row are added in float32, all else in float64. The same bits with every width.
struct TailSums {
  double weights = 0;
  double products = 0;
};
TailSums tail_sums(std::span<const float> logits, float limit);

}  // namespace pellucid::sampling
