// Qwen2 = llama with rotary halves (and biases on q, k and v, found by presence); Qwen3 = that with a norm on
// each head's query and key.
#include "model/architectures.h"

namespace pellucid::model {

Result<ArchSpec> describe_qwen2(const Hyperparameters& h) {
  PELLUCID_TRY(ArchSpec spec, h.common(NormKind::kRms));
  spec.rope.pairing = kernels::RopePairing::kHalf;
  return spec;
}

Result<ArchSpec> describe_qwen3(const Hyperparameters& h) {
  PELLUCID_TRY(ArchSpec spec, describe_qwen2(h));
  spec.attention.qk_norm = QkNorm::kPerHead;
  return spec;
}

}  // namespace pellucid::model
