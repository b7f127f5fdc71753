// The angles of rotary position embedding (Su et al. 2021, arXiv:2104.09864), in float64 with our own sine
// and cosine, so that they do not depend on a C library.
#pragma once

#include <span>
#include <vector>

#include "model/spec.h"

namespace pellucid::model {

/// sin(x) and cos(x) for |x| < 2^31: Cody-Waite reduction by pi/2 in three parts, Taylor polynomials on
/// [-pi/4, pi/4]; absolute error below 1e-12 + 1e-16 |x|.
struct SinCos {
  double sin;
  double cos;
};
SinCos sin_cos(double x);

/// The angle per position of each rotary pair, [n_rot / 2]: base^(-2i / n_rot), divided as the scaling says.
/// `factors` is rope_freqs.weight or empty. Local layers use local_base and no scaling.
std::vector<double> rope_frequencies(const RopeSpec& rope, std::span<const float> factors, bool local);

}  // namespace pellucid::model
