#include "sampling/log_softmax.h"

#include <algorithm>
#include <numeric>

#include "sampling/exp.h"
#include "sampling/log.h"

namespace pellucid::sampling {

std::vector<float> log_softmax(std::span<const float> logits) {
  const double best = *std::max_element(logits.begin(), logits.end());
  std::vector<double> weights(logits.begin(), logits.end());
  for (double& weight : weights) weight -= best;
  exp_nonpositive(weights);
  const double log_sum = best + log_positive(std::accumulate(weights.begin(), weights.end(), 0.0));
  std::vector<float> result(logits.begin(), logits.end());
  for (float& logit : result) logit = static_cast<float>(static_cast<double>(logit) - log_sum);
  return result;
}

}  // namespace pellucid::sampling
