#include "model/forward.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "model/attention.h"
#include "model/pass.h"
#include "model/products.h"
#include "model/rope.h"
#include "model/row_ops.h"

namespace pellucid::model {
namespace {

void embed(const Pass& p) {
  const int n = p.spec().n_embd;
  for_rows(p.pool, p.n_tokens(), [&](int t) {
    const BatchToken& token = p.batch.tokens[static_cast<size_t>(t)];
    float* x = row(p.s.x.data(), t, n);
    kernels::unpack_row(p.model.weights.token_embd, token.token, x);
    if (p.spec().embedding_scale != 1.0f) p.kernels().scale(x, p.spec().embedding_scale, n);
    if (p.spec().positions == Positions::kLearned) {
      float* position = row(p.s.h.data(), t, n);
      kernels::unpack_row(p.model.weights.position_embd, token.position, position);
      p.kernels().add(x, position, n);
    }
  });
}

/// Sines and cosines of each token's position: shared by all layers of a kind.
void prepare_rope(const Pass& p) {
  const RopeSpec& rope = p.spec().rope;
  if (rope.n_rot == 0) return;
  const int half = rope.n_rot / 2;
  if (p.s.frequencies.empty()) {
    p.s.frequencies = rope_frequencies(rope, p.model.weights.rope_freqs.span(), false);
    p.s.local_frequencies = rope_frequencies(rope, {}, true);
  }
  const bool has_local = p.spec().attention.window != 0;
  for_rows(p.pool, p.n_tokens(), [&](int t) {
    const double position = p.batch.tokens[static_cast<size_t>(t)].position;
    for (int kind = 0; kind < (has_local ? 2 : 1); ++kind) {
      const std::vector<double>& frequencies = kind == 0 ? p.s.frequencies : p.s.local_frequencies;
      const int offset = kind * p.s.max_tokens + t;
      for (int i = 0; i < half; ++i) {
        const SinCos angle = sin_cos(position * frequencies[static_cast<size_t>(i)]);
        row(p.s.cos.data(), offset, half)[i] = static_cast<float>(angle.cos);
        row(p.s.sin.data(), offset, half)[i] = static_cast<float>(angle.sin);
      }
    }
  });
}

/// What ffn_down reads.
Input ffn_hidden(const Pass& p, const LayerWeights& w) {
  return Input::of_parts(p, p.s.hidden.data(), p.n_tokens(), p.spec().ffn.n_ff,
                         w.ffn_down.weight.wants_quantized());
}

enum class Block : uint8_t { kAttention, kFfn };

/// The product that ends a block: W x + bias, added to the residual stream where no norm follows, else s.h.
struct BlockOutput {
  const Pass& p;
  const LayerWeights& w;
  Block block;

  [[nodiscard]] bool has_norm() const { return p.spec().post_norm == PostNorm::kSandwich; }
  [[nodiscard]] const Norm& norm() const {
    return block == Block::kFfn ? w.post_ffw_norm : w.post_attention_norm;
  }
  [[nodiscard]] const Linear& linear() const { return block == Block::kFfn ? w.ffn_down : w.attn_output; }
  [[nodiscard]] Product product() const { return {linear().weight, p.s.h.data()}; }
  [[nodiscard]] Input input() const {
    if (block == Block::kFfn) return ffn_hidden(p, w);
    const bool quantized = linear().weight.wants_quantized();
    return {p, p.s.mixed.data(), p.n_tokens(), linear().weight.n_cols, quantized};
  }
  [[nodiscard]] Tiles tasks() const { return tiles(p, product(), p.n_tokens()); }
  void run(const Input& input, const Tiles& tasks, int task) const {
    const int n = p.spec().n_embd;
    multiply(p, input, std::array{product()}, tasks[task], [&](const std::array<Outputs, 1>& parts) {
      const Outputs& part = parts[0];
      for (int t = part.row_begin; t < part.row_end; ++t) {
        add_bias(p, linear(), part.first, part.n, part.row(t));
        if (!has_norm()) p.kernels().add(row(p.s.x.data(), t, n) + part.first, part.row(t), part.n);
      }
      if (has_norm() || p.tap) part.copy_to(p.s.h.data(), n);
    });
  }
};

/// The end of a block: x += post_norm(output).
void add_output(const BlockOutput& output) {
  const Pass& p = output.p;
  const int n = p.spec().n_embd;
  run_region(p.pool, output);
  if (!output.has_norm()) return;
  for_rows(p.pool, p.n_tokens(), [&](int t) {
    float* out = row(p.s.h.data(), t, n);
    normalize(p, output.norm(), out, n, out);
    p.kernels().add(row(p.s.x.data(), t, n), out, n);
  });
}

/// Shows a block's normalised input, which otherwise nobody need have seen whole.
void watch_norm(const Pass& p, std::string_view name, int layer, const Norm& norm) {
  if (!p.tap) return;
  const int n = p.spec().n_embd;
  for_rows(p.pool, p.n_tokens(),
           [&](int t) { normalize(p, norm, row(p.s.x.data(), t, n), n, row(p.s.h.data(), t, n)); });
  p.watch(name, layer, p.s.h.data(), p.n_tokens(), n);
}

/// The products of queries, keys and values.
struct Qkv {
  const Pass& p;
  const LayerWeights& w;

  /// Tasks of the same rows follow each other, whichever product they are of.
  struct Tasks {
    std::array<Tiles, 3> of;

    [[nodiscard]] int group_tiles() const {
      return of[0].group_tiles() + of[1].group_tiles() + of[2].group_tiles();
    }
    [[nodiscard]] int size() const { return of[0].row_tiles() * group_tiles(); }
  };

  [[nodiscard]] std::array<Product, 3> products() const {
    return {
        {{w.attn_q.weight, p.s.q.data()}, {w.attn_k.weight, p.s.k.data()}, {w.attn_v.weight, p.s.v.data()}}};
  }
  [[nodiscard]] Input input() const {
    const bool quantized = w.attn_q.weight.wants_quantized() || w.attn_k.weight.wants_quantized() ||
                           w.attn_v.weight.wants_quantized();
    return {p, p.s.x.data(), p.n_tokens(), p.spec().n_embd, quantized, &w.attn_norm};
  }
  [[nodiscard]] Tasks tasks() const {
    const auto [q, k, v] = products();
    return {{tiles(p, q, p.n_tokens()), tiles(p, k, p.n_tokens()), tiles(p, v, p.n_tokens())}};
  }
  void run(const Input& input, const Tasks& tasks, int task) const {
    const int row_tile = task / tasks.group_tiles();
    int group_tile = task % tasks.group_tiles();
    size_t i = 0;
    for (; group_tile >= tasks.of[i].group_tiles(); ++i) group_tile -= tasks.of[i].group_tiles();
    const Product product = products()[i];
    multiply(
        p, input, std::array{product}, tasks.of[i].at(row_tile, group_tile),
        [&](const std::array<Outputs, 1>& parts) { parts[0].copy_to(product.y, product.weight.n_rows); });
  }
};

void attention_block(const Pass& p, const LayerWeights& w, int layer) {
  const int n = p.spec().n_embd;
  watch_norm(p, "attn_norm", layer, w.attn_norm);
  run_region(p.pool, Qkv{p, w});
  attend(p, w, layer);
  add_output({p, w, Block::kAttention});
  p.watch("attn_out", layer, p.s.h.data(), p.n_tokens(), n);
  p.watch("ffn_inp", layer, p.s.x.data(), p.n_tokens(), n);
}

/// The products of gate and up, each part activated where it was made.
struct GateUp {
  const Pass& p;
  const LayerWeights& w;

  [[nodiscard]] bool is_gated() const { return p.spec().ffn.kind != FfnKind::kGelu; }
  [[nodiscard]] Product gate() const { return {w.ffn_gate.weight, p.s.hidden.data()}; }
  [[nodiscard]] Product up() const {
    return {w.ffn_up.weight, is_gated() ? p.s.up.data() : p.s.hidden.data()};
  }
  [[nodiscard]] Input input() const {
    const bool quantized = w.ffn_up.weight.wants_quantized() || w.ffn_gate.weight.wants_quantized();
    return {p, p.s.x.data(), p.n_tokens(), p.spec().n_embd, quantized, &w.ffn_norm};
  }
  [[nodiscard]] Tiles tasks() const { return tiles(p, up(), p.n_tokens()); }
  void run(const Input& input, const Tiles& tasks, int task) const {
    const auto finish = [&](const auto& parts) {
      activate(parts.front(), parts.back());
      ffn_hidden(p, w).put(parts.front());
    };
    if (is_gated()) {
      multiply(p, input, std::array{gate(), up()}, tasks[task], finish);
    } else {
      multiply(p, input, std::array{up()}, tasks[task], finish);
    }
  }
  /// gate = act(gate) * up, or act(up) where both are that.
  void activate(const Outputs& gate, const Outputs& up) const {
    for (int t = up.row_begin; t < up.row_end; ++t) {
      add_bias(p, w.ffn_gate, gate.first, gate.n, gate.row(t));
      add_bias(p, w.ffn_up, up.first, up.n, up.row(t));
      switch (p.spec().ffn.kind) {
        case FfnKind::kGatedSilu:
          p.kernels().silu_mul(gate.row(t), up.row(t), gate.n);
          break;
        case FfnKind::kGatedGelu:
          p.kernels().gelu_mul(gate.row(t), up.row(t), gate.n);
          break;
        case FfnKind::kGelu:
          p.kernels().gelu(up.row(t), up.n);
          break;
      }
    }
  }
};

void ffn_block(const Pass& p, const LayerWeights& w, int layer) {
  const int n = p.spec().n_embd;
  watch_norm(p, "ffn_norm", layer, w.ffn_norm);
  run_region(p.pool, GateUp{p, w});
  add_output({p, w, Block::kFfn});
  p.watch("ffn_out", layer, p.s.h.data(), p.n_tokens(), n);
  p.watch("l_out", layer, p.s.x.data(), p.n_tokens(), n);
}

/// The product that makes the logits of n_rows normalised rows in s.h.
struct Head {
  const Pass& p;
  float* logits;
  int n_rows;

  [[nodiscard]] Product product() const { return {p.model.weights.head(), logits}; }
  [[nodiscard]] Input input() const {
    return {p, p.s.h.data(), n_rows, p.spec().n_embd, product().weight.wants_quantized()};
  }
  [[nodiscard]] Tiles tasks() const { return tiles(p, product(), n_rows); }
  void run(const Input& input, const Tiles& tasks, int task) const {
    multiply(p, input, std::array{product()}, tasks[task],
             [&](const std::array<Outputs, 1>& parts) { parts[0].copy_to(logits, product().weight.n_rows); });
  }
};

/// The logits of the wanted rows.
void head(const Pass& p, float* logits) {
  const int n = p.spec().n_embd;
  const auto n_wanted = static_cast<int>(p.batch.wanted.size());
  if (n_wanted == 0) return;
  for_rows(p.pool, n_wanted, [&](int i) {
    const int t = p.batch.wanted[static_cast<size_t>(i)];
    normalize(p, p.model.weights.output_norm, row(p.s.x.data(), t, n), n, row(p.s.h.data(), i, n));
  });
  p.watch("result_norm", kNoLayer, p.s.h.data(), n_wanted, n);
  run_region(p.pool, Head{p, logits, n_wanted});
  if (p.spec().logit_softcap != 0.0f) {
    for_rows(p.pool, n_wanted, [&](int i) {
      p.kernels().softcap(row(logits, i, p.spec().n_vocab), p.spec().logit_softcap, p.spec().n_vocab);
    });
  }
  p.watch("result_output", kNoLayer, logits, n_wanted, p.spec().n_vocab);
}

/// The tokens whose logits are wanted.
Batch only_wanted(const Batch& batch) {
  Batch only;
  for (const int t : batch.wanted) {
    only.wanted.push_back(static_cast<int>(only.tokens.size()));
    only.tokens.push_back(batch.tokens[static_cast<size_t>(t)]);
  }
  return only;
}

/// Moves these rows, ascending, to the front.
void keep_rows(const std::vector<int>& rows, float* matrix, int n_cols) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != static_cast<int>(i)) {
      std::copy_n(row(matrix, rows[i], n_cols), n_cols, row(matrix, static_cast<int>(i), n_cols));
    }
  }
}

bool are_strangers(const Batch& batch) {
  std::vector<const KvCache*> caches;
  for (const BatchToken& token : batch.tokens) caches.push_back(token.cache);
  std::sort(caches.begin(), caches.end());
  return std::adjacent_find(caches.begin(), caches.end()) == caches.end();
}

/// The last layer and the head where some tokens' logits are not wanted: of those nothing is read any more
/// but their keys and values.
void last_layer(const Pass& p, const LayerWeights& w, int layer, float* logits) {
  run_region(p.pool, Qkv{p, w});
  make_ready(p, w, layer);
  if (p.batch.wanted.empty()) return;
  keep_rows(p.batch.wanted, p.s.x.data(), p.spec().n_embd);
  keep_rows(p.batch.wanted, p.s.q.data(), p.spec().q_width());
  const Batch wanted = only_wanted(p.batch);
  const Pass rest{p.model, wanted, p.s, p.pool, p.tap, p.are_strangers};
  attend(rest, w, layer, true);
  add_output({rest, w, Block::kAttention});
  ffn_block(rest, w, layer);
  head(rest, logits);
}

}  // namespace

void forward(const Model& model, const Batch& batch, Scratch& scratch, ThreadPool& pool, float* logits,
             const Tap& tap) {
  assert(!batch.tokens.empty() && static_cast<int>(batch.tokens.size()) <= scratch.max_tokens);
  const Pass p{model, batch, scratch, pool, tap, are_strangers(batch)};
  scratch.reserve_workers(pool.size());
  prepare_rope(p);
  embed(p);
  p.watch("inp_embd", kNoLayer, scratch.x.data(), p.n_tokens(), model.spec.n_embd);
  const int last = model.spec.n_layers - 1;
  const auto weights = [&](int layer) -> const LayerWeights& {
    return model.weights.layers[static_cast<size_t>(layer)];
  };
  const bool all_are_wanted = batch.wanted.size() == batch.tokens.size() || static_cast<bool>(tap);
  for (int layer = 0; layer < (all_are_wanted ? last + 1 : last); ++layer) {
    attention_block(p, weights(layer), layer);
    ffn_block(p, weights(layer), layer);
  }
  if (all_are_wanted) {
    head(p, logits);
  } else {
    last_layer(p, weights(last), last, logits);
  }
}

}  // namespace pellucid::model
