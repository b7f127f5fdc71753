// What is done to each row of activations between the products.
#pragma once

#include "model/pass.h"

namespace pellucid::model {

/// y = norm(x) of the model's kind, n values; in place allowed.
inline void normalize(const Pass& p, const Norm& norm, const float* x, int n, float* y) {
  if (p.spec().norm.kind == NormKind::kRms) {
    p.kernels().rms_norm(x, norm.weight.data(), p.spec().norm.eps, n, y);
  } else {
    p.kernels().layer_norm(x, norm.weight.data(), norm.bias.data(), p.spec().norm.eps, n, y);
  }
}

/// y += bias, for n outputs from `first` on.
inline void add_bias(const Pass& p, const Linear& linear, int first, int n, float* y) {
  if (linear.bias.size() != 0) p.kernels().add(y, linear.bias.data() + first, n);
}

}  // namespace pellucid::model
