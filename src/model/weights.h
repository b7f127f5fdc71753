// The weights of a model, packed for the kernels. Which tensors a layer has, their names and shapes are rows
// of one table (weights.cpp): binding, checking and error messages all come from them. Fields carry GGUF's
// names.
#pragma once

#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "gguf/reader.h"
#include "kernels/packed.h"
#include "model/spec.h"

namespace pellucid::model {

using Vector = AlignedBuffer<float>;  // empty where the model has none

/// A projection y = W x (+ bias).
struct Linear {
  kernels::PackedMatrix weight;  // [n_out, n_in]
  Vector bias;                   // [n_out] or empty
};

/// A norm's weight (and bias, of a layer norm).
struct Norm {
  Vector weight;
  Vector bias;
};

struct LayerWeights {
  Norm attn_norm;            // [n_embd]
  Linear attn_q;             // [n_heads * head_dim, n_embd]
  Linear attn_k;             // [n_kv_heads * head_dim, n_embd]
  Linear attn_v;             // [n_kv_heads * head_dim, n_embd]
  Norm attn_q_norm;          // [head_dim]
  Norm attn_k_norm;          // [head_dim]
  Linear attn_output;        // [n_embd, n_heads * head_dim]
  Norm post_attention_norm;  // [n_embd]
  Norm ffn_norm;             // [n_embd]
  Linear ffn_gate;           // [n_ff, n_embd]
  Linear ffn_up;             // [n_ff, n_embd]
  Linear ffn_down;           // [n_embd, n_ff]
  Norm post_ffw_norm;        // [n_embd]
};

struct Weights {
  kernels::PackedMatrix token_embd;     // [n_vocab, n_embd]
  kernels::PackedMatrix position_embd;  // [n_ctx_train, n_embd] where positions are learned
  Vector rope_freqs;                    // [n_rot / 2] or empty
  Norm output_norm;                     // [n_embd]
  kernels::PackedMatrix output;         // [n_vocab, n_embd]; empty where token_embd serves
  std::vector<LayerWeights> layers;

  /// The matrix that makes logits.
  [[nodiscard]] const kernels::PackedMatrix& head() const { return output.n_rows != 0 ? output : token_embd; }
};

/// Reads and packs every tensor that `spec` names. Each tensor's pages of the file leave memory once it is
/// packed. Errors (kBadModel) name the tensor: missing, of the wrong shape, of a type that does not fit, not
/// finite, or one that the architecture has no use for (running without it would give wrong text in silence).
Result<Weights> load_weights(const gguf::File& file, const ArchSpec& spec, kernels::Precision precision,
                             ThreadPool& pool);

}  // namespace pellucid::model
