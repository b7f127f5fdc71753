// An architecture as a value: what one forward pass needs to know to run every model family here. Enums and
// numbers grouped by block; each knob is read in one place. A family is a function that fills this in from
// the file's metadata (architectures/), so adding one is a page of text, not a class.
#pragma once

#include <string>

#include "kernels/table.h"

namespace pellucid::model {

enum class NormKind { kRms, kLayer };

struct NormSpec {
  NormKind kind = NormKind::kRms;
  float eps = 1e-5f;
};

/// How frequencies are stretched beyond the trained context.
enum class RopeScaling {
  kNone,
  kLinear,   // positions divided by `factor`
  kFactors,  // each frequency divided by an entry of the tensor rope_freqs.weight (Llama 3.1)
};

// Bounds that keep every angle a number that a sine can be taken of.
inline constexpr float kMaxRopeBase = 1e12f;
inline constexpr float kMinRopeFactor = 1e-3f;
inline constexpr float kMaxRopeFactor = 1e6f;

struct RopeSpec {
  kernels::RopePairing pairing = kernels::RopePairing::kAdjacent;
  int n_rot = 0;  // values of a head that are rotated; 0 where positions are learned
  float base = 10000.0f;
  float local_base = 10000.0f;  // on sliding-window layers, which are never scaled
  RopeScaling scaling = RopeScaling::kNone;
  float factor = 1.0f;
};

enum class QkNorm { kNone, kPerHead };

struct AttentionSpec {
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  float scale = 0.0f;  // scores are multiplied by it
  QkNorm qk_norm = QkNorm::kNone;
  int window = 0;  // positions visible on sliding-window layers; 0: none
  int window_pattern =
      1;  // with a window: layer l is global where (l + 1) % pattern == 0; 1 with a window: no layer is
};

enum class FfnKind { kGatedSilu, kGatedGelu, kGelu };

struct FfnSpec {
  FfnKind kind = FfnKind::kGatedSilu;
  int n_ff = 0;
};

enum class PostNorm {
  kNone,
  kSandwich
};  // kSandwich: a norm after each block too, before the residual sum (Gemma)

enum class Positions { kRotary, kLearned };

enum class FusedQkv { kNo, kYes };  // kYes: q, k and v are row ranges of one tensor, attn_qkv

struct ArchSpec {
  std::string name;
  int n_layers = 0;
  int n_embd = 0;
  int n_vocab = 0;
  int n_ctx_train = 0;
  NormSpec norm;
  RopeSpec rope;
  AttentionSpec attention;
  FfnSpec ffn;
  PostNorm post_norm = PostNorm::kNone;
  Positions positions = Positions::kRotary;
  FusedQkv fused_qkv = FusedQkv::kNo;
  float embedding_scale = 1.0f;  // embeddings are multiplied by it
  float logit_softcap = 0.0f;    // logits become cap * tanh(logits / cap); 0: as they are

  [[nodiscard]] int q_width() const { return attention.n_heads * attention.head_dim; }
  [[nodiscard]] int kv_width() const { return attention.n_kv_heads * attention.head_dim; }
  /// Whether layer `layer` sees only the last `attention.window` positions.
  [[nodiscard]] bool is_local(int layer) const {
    if (attention.window == 0) return false;
    return attention.window_pattern == 1 || (layer + 1) % attention.window_pattern != 0;
  }
};

}  // namespace pellucid::model
