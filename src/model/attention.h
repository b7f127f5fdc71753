// The attention of a layer, from the products of queries, keys and values to the input of its output
// projection.
#pragma once

#include "model/pass.h"

namespace pellucid::model {

/// Makes queries and keys ready (bias, norm of each head, rotation), stores keys and values in the caches,
/// and mixes: softmax(q k^T) v of each head. s.q, s.k, s.v -> s.mixed.
void attend(const Pass& p, const LayerWeights& w, int layer);

}  // namespace pellucid::model
