// Llama (Touvron et al. 2023) and the many models stored under its name: SmolLM2, Mistral, TinyLlama, Llama 2
// and 3. GGUF permutes the rows of attn_q and attn_k so that rotary pairs are adjacent.
#include "model/architectures.h"

namespace pellucid::model {

Result<ArchSpec> describe_llama(const Hyperparameters& h) {
  PELLUCID_TRY(ArchSpec spec, h.common(NormKind::kRms));
  PELLUCID_TRY(spec.attention.window,
               h.integer_or("attention.sliding_window", 0, 1 << 28, 0));  // Mistral 7B v0.1
  spec.rope.local_base = spec.rope.base;
  return spec;
}

}  // namespace pellucid::model
