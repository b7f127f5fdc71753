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

struct BlockScan {
  float maximum = -std::numeric_limits<float>::infinity();
  bool holds_masked = false;   // some logit is -inf
  bool holds_invalid = false;  // some logit is NaN or +inf
};

/// Of at most kBlock logits.
BlockScan scan(std::span<const float> block);

/// Places of logits in a block, ascending.
struct Places {
  std::array<uint8_t, kBlock> at;
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

/// The sum of exp((logit - best) * scale) over a block of at most kBlock logits, none above `best`, in
/// float32. Where the weights of `n` logits, the best among them, are summed that way, the whole is within a
/// relative kRoughError of the truth if n < 2^31: an exponent y has a relative error of 5 * 2^-24 at most,
/// and |y| in the mean, weighted by exp(y), is at most ln n < 21.5 (entropy); exp itself and the sums add
/// 2^-18.
float rough_weight(std::span<const float> block, float best, float scale);
inline constexpr double kRoughError = 0x1p-15;

}  // namespace pellucid::sampling
