#include "sampling/log_softmax.h"

#include <utility>

#include "sampling/candidates.h"
#include "sampling/log.h"

namespace pellucid::sampling {

Result<double> log_sum_exp(std::span<const float> logits) {
  PELLUCID_TRY(Row row, Row::from(logits));
  const Candidates all(std::move(row));
  return all.logit(0) + log_positive(all.total_weight());
}

Result<std::vector<float>> log_softmax(std::span<const float> logits) {
  PELLUCID_TRY(const double sum, log_sum_exp(logits));
  std::vector<float> result(logits.begin(), logits.end());
  for (float& logit : result) logit = static_cast<float>(static_cast<double>(logit) - sum);
  return result;
}

}  // namespace pellucid::sampling
