#include "sampling/guidance.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "sampling/log_softmax.h"

namespace pellucid::sampling {
Result<std::vector<float>> guided_logits(std::span<const float> conditional,
                                         std::span<const float> unconditional, double scale) {
  if (conditional.size() != unconditional.size()) {
    return Error{ErrorCode::kUsage, "setting guidance_scale",
                 fmt::format("it takes the logits of a second text, {} of them, and there are {}",
                             conditional.size(), unconditional.size())};
  }
  PELLUCID_TRY(const double c_sum, log_sum_exp(conditional));
  PELLUCID_TRY(const double u_sum, log_sum_exp(unconditional));
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
