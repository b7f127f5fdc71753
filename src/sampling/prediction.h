// What the model itself said of a step, before any stage, and of the token that the text went on with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/thread_pool.h"

namespace pellucid::sampling {

/// Of the softmax over the raw logits. Its sums take the best 32 tokens in float64, and of the others float32
/// terms within 2^-21 of the truth (tail_sums()): a twentieth of a step's time less than all in float64, and
/// the same bits everywhere.
struct Prediction {
  double entropy_bits = 0;
  double log_sum_exp = 0;  // of all logits: ln of a token's probability is its logit less this
  double probability = 0;  // the token's
  std::optional<size_t>
      rank;  // the token's, 0 = most likely; none where its logit is -inf, as for surprise_bits
  std::optional<double> surprise_bits;

  bool operator==(const Prediction&) const = default;
};

/// `threads` help with long rows. Errors: kNumeric and kLimit (see Row).
Result<Prediction> prediction_of(std::span<const float> logits, int32_t token, ThreadPool* threads = nullptr);

}  // namespace pellucid::sampling
