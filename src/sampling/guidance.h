// Classifier-free guidance (Sanchez et al., "Stay on topic with classifier-free guidance", 2023): a text is
// led away from what it would be without its prompt.
#pragma once

#include <span>
#include <vector>

#include "base/error.h"

namespace pellucid::sampling {

/// u + scale * (c - u), where c and u are the log-probabilities of the two rows, index = token id: what
/// transformers' UnbatchedClassifierFreeGuidanceLogitsProcessor gives. A token that either row rules out
/// (-inf) is ruled out. Errors: kNumeric (a row holds what is no number, or nothing but -inf), kUsage (they
/// are not of one vocabulary).
Result<std::vector<float>> guided_logits(std::span<const float> conditional,
                                         std::span<const float> unconditional, double scale);

}  // namespace pellucid::sampling
