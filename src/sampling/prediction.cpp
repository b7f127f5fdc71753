#include "sampling/prediction.h"

#include <utility>

#include "sampling/candidates.h"
#include "sampling/log.h"

namespace pellucid::sampling {

Result<Prediction> prediction_of(std::span<const float> logits, int32_t token) {
  PELLUCID_TRY(Row row, Row::from(logits));
  const Candidates raw(std::move(row));
  Prediction prediction;
  prediction.entropy_bits = entropy_bits(raw);
  prediction.log_sum_exp = raw.logit(0) + raw.surprise(0);
  prediction.probability = raw.probability_of(token).value_or(0);
  prediction.rank = raw.rank_of(token);
  if (const auto nats = raw.surprise_of(token)) prediction.surprise_bits = *nats / kLn2;
  return prediction;
}

}  // namespace pellucid::sampling
