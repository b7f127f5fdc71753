// What one forward pass runs: tokens of one or more sequences, each at its position.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/kv_cache.h"

namespace pellucid::model {

/// One token of a batch. The keys and values of positions [0, position) of its sequence are in `cache`
/// already or come earlier in the same batch; `cache` has room for `position`.
struct BatchToken {
  int32_t token;   // in [0, n_vocab)
  int position;    // in [0, n_ctx)
  KvCache* cache;  // of its sequence, not owned
};

/// `wanted` lists the rows (indices into tokens, ascending) whose logits are asked for.
struct Batch {
  std::vector<BatchToken> tokens;
  std::vector<int> wanted;
};

}  // namespace pellucid::model
