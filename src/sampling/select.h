// From a row of logits to the best of them, best first: the one pass over the vocabulary that a step needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"

namespace pellucid::sampling {

/// Logits worth considering, ordered by logit descending, then id ascending.
struct Selection {
  std::vector<int32_t> ids;
  std::vector<float> logits;  // logits[i] belongs to ids[i]
  size_t available = 0;       // how many logits of the row are not -inf
};

/// The `limit` best (0: all) of `row`, whose index is the token id. A logit of -inf marks a token that is
/// ruled out already, and is left out. Errors: kNumeric where a logit is NaN or +inf (names the lowest such
/// id), or all are -inf, or there is none; kLimit where ids would not fit 31 bits.
Result<Selection> select_best(std::span<const float> row, size_t limit);

}  // namespace pellucid::sampling
