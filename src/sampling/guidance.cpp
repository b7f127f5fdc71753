#include "sampling/guidance.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "sampling/candidates.h"
#include "sampling/log.h"

namespace pellucid::sampling {
namespace {

/// What to subtract from a logit to get its log-probability.
Result<double> log_of_sum(std::span<const float> logits) {
  PELLUCID_TRY(Row row, Row::from(logits));
  const Candidates all(std::move(row));
  return all.logit(0) + log_positive(all.total_weight());
}

}  // namespace

Result<std::vector<float>> guided_logits(std::span<const float> conditional,
                                         std::span<const float> unconditional, double scale) {
  if (conditional.size() != unconditional.size()) {
    return Error{ErrorCode::kUsage, "setting guidance_scale",
                 fmt::format("it takes the logits of a second text, {} of them, and there are {}",
                             conditional.size(), unconditional.size())};
  }
  PELLUCID_TRY(const double c_sum, log_of_sum(conditional));
  PELLUCID_TRY(const double u_sum, log_of_sum(unconditional));
  std::vector<float> guided(conditional.size());
  for (size_t i = 0; i < guided.size(); ++i) {
    const double c = static_cast<double>(conditional[i]) - c_sum;
    const double u = static_cast<double>(unconditional[i]) - u_sum;
    const bool out = std::isinf(c) || std::isinf(u);
    guided[i] = out ? -std::numeric_limits<float>::infinity() : static_cast<float>(u + scale * (c - u));
  }
  return guided;
}

}  // namespace pellucid::sampling
