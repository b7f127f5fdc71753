// Log-probabilities of a row of logits.
#pragma once

#include <span>
#include <vector>

namespace pellucid::sampling {

/// ln of the softmax, computed in float64 in order of id and rounded to float32; -inf stays. No logit is NaN
/// or +infinity, and one at least is above -infinity.
std::vector<float> log_softmax(std::span<const float> logits);

}  // namespace pellucid::sampling
