// The attention of a layer, from the products of queries, keys and values to the input of its output
// projection.
#pragma once

#include "model/pass.h"

namespace pellucid::model {

/// Makes queries and keys ready in place (bias, norm of each head, rotation) and stores keys and values in
/// the caches. s.q, s.k, s.v.
void make_ready(const Pass& p, const LayerWeights& w, int layer);

/// softmax(q k^T) v of each head: s.q, s.k, s.v -> s.mixed. `is_ready`: make_ready() has been called.
void attend(const Pass& p, const LayerWeights& w, int layer, bool is_ready = false);

}  // namespace pellucid::model
