// Log-probabilities of a row of logits.
#pragma once

#include <span>
#include <vector>

#include "base/error.h"

namespace pellucid::sampling {

/// ln of the sum of exp, in float64: what to subtract from a logit to get its log-probability. Errors: those
/// of Row::from().
Result<double> log_sum_exp(std::span<const float> logits);

/// ln of the softmax, computed in float64 and rounded to float32; -inf stays. Errors: as log_sum_exp().
Result<std::vector<float>> log_softmax(std::span<const float> logits);

}  // namespace pellucid::sampling
