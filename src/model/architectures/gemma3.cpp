// Gemma 3 (Gemma Team 2025, arXiv:2503.19786): norms before and after each block, a norm on each head's query
// and key, five sliding-window layers for each global one, with a rope base of their own. The "+1" of its
// norms is folded into the weights of GGUF files.
#include <cmath>

#include "model/architectures.h"

namespace pellucid::model {

Result<ArchSpec> describe_gemma3(const Hyperparameters& h) {
  PELLUCID_TRY(ArchSpec spec, h.common(NormKind::kRms));
  spec.post_norm = PostNorm::kSandwich;
  spec.embedding_scale = std::sqrt(static_cast<float>(spec.n_embd));
  spec.ffn.kind = FfnKind::kGatedGelu;
  spec.attention.qk_norm = QkNorm::kPerHead;
  PELLUCID_TRY(spec.attention.window, h.integer_or("attention.sliding_window", 0, 1 << 28, 0));
  PELLUCID_TRY(spec.attention.window_pattern, h.integer_or("attention.sliding_window_pattern", 1, 1024, 6));
  spec.rope.pairing = kernels::RopePairing::kHalf;
  PELLUCID_TRY(spec.rope.local_base, h.number_or("rope.freq_base_swa", 1.0f, kMaxRopeBase, 10000.0f));
  PELLUCID_TRY(spec.logit_softcap, h.number_or("final_logit_softcapping", 1e-3f, 1e6f, 0.0f));
  // The 27B model alone scales its queries by n_embd / n_heads instead of head_dim; files do not say so but
  // by its depth.
  constexpr int kLayersOf27B = 62;
  if (spec.n_layers == kLayersOf27B) {
    spec.attention.scale =
        1.0f / std::sqrt(static_cast<float>(spec.n_embd) / static_cast<float>(spec.attention.n_heads));
  }
  return spec;
}

}  // namespace pellucid::model
