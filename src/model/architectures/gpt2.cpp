// GPT-2 (Radford et al. 2019): learned positions, layer norms with biases, one tensor for q, k and v, an
// ungated GELU.
#include "model/architectures.h"

namespace pellucid::model {

Result<ArchSpec> describe_gpt2(const Hyperparameters& h) {
  PELLUCID_TRY(ArchSpec spec, h.common(NormKind::kLayer));
  spec.positions = Positions::kLearned;
  spec.rope.n_rot = 0;
  spec.fused_qkv = FusedQkv::kYes;
  spec.ffn.kind = FfnKind::kGelu;
  return spec;
}

}  // namespace pellucid::model
