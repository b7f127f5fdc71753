#include "model/forward.h"

#include <algorithm>
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

/// What of the outputs of a matrix [n_out, ..] a run of a tile's groups is.
struct Outputs {
  int first;
  int n;
};

/// body(t, outputs) for each row and each run of groups of a tile.
template <typename Body>
void for_outputs(const Tile& tile, int n_out, const Body& body) {
  for (int run = 0; run < tile.groups.n_runs; ++run) {
    const int offset = run * tile.groups.stride;
    const int first = (tile.groups.begin + offset) * kernels::kLanes;
    const int end = std::min((tile.groups.end + offset) * kernels::kLanes, n_out);
    for (int t = tile.row_begin; t < tile.row_end; ++t) body(t, Outputs{first, end - first});
  }
}

/// The end of a block: x += post_norm(W input + bias), where the product is made if there is no norm.
void add_product(const Pass& p, const Input& input, const Linear& linear, const Norm& post_norm) {
  const int n = p.spec().n_embd;
  const bool has_norm = p.spec().post_norm == PostNorm::kSandwich;
  const Product product{linear.weight, p.s.h.data()};
  const Tiles its = tiles(p, product, p.n_tokens());
  p.pool.run(its.size(), [&](int task, int worker) {
    const Tile tile = its[task];
    multiply(p, input, product, tile, worker);
    for_outputs(tile, n, [&](int t, Outputs outputs) {
      float* out = row(product.y, t, n) + outputs.first;
      add_bias(p, linear, outputs.first, outputs.n, out);
      if (!has_norm) p.kernels().add(row(p.s.x.data(), t, n) + outputs.first, out, outputs.n);
    });
  });
  if (!has_norm) return;
  for_rows(p.pool, p.n_tokens(), [&](int t) {
    float* out = row(product.y, t, n);
    normalize(p, post_norm, out, n, out);
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

void attention_block(const Pass& p, const LayerWeights& w, int layer) {
  const int n = p.spec().n_embd;
  watch_norm(p, "attn_norm", layer, w.attn_norm);
  const std::initializer_list<Product> qkv{
      {w.attn_q.weight, p.s.q.data()}, {w.attn_k.weight, p.s.k.data()}, {w.attn_v.weight, p.s.v.data()}};
  multiply(p, Input(p, p.s.x.data(), p.n_tokens(), n, qkv, &w.attn_norm), p.n_tokens(), qkv);
  attend(p, w, layer);
  const Input mixed(p, p.s.mixed.data(), p.n_tokens(), p.spec().q_width(),
                    {{w.attn_output.weight, p.s.h.data()}});
  add_product(p, mixed, w.attn_output, w.post_attention_norm);
  p.watch("attn_out", layer, p.s.h.data(), p.n_tokens(), n);
  p.watch("ffn_inp", layer, p.s.x.data(), p.n_tokens(), n);
}

/// gate = act(gate) * up of some outputs of row t, or up = act(up) where there is no gate.
void activate(const Pass& p, const LayerWeights& w, int t, Outputs outputs) {
  const auto [first, n] = outputs;
  float* gate = row(p.s.gate.data(), t, p.spec().ffn.n_ff) + first;
  float* up = row(p.s.up.data(), t, p.spec().ffn.n_ff) + first;
  add_bias(p, w.ffn_gate, first, n, gate);
  add_bias(p, w.ffn_up, first, n, up);
  switch (p.spec().ffn.kind) {
    case FfnKind::kGatedSilu:
      p.kernels().silu_mul(gate, up, n);
      break;
    case FfnKind::kGatedGelu:
      p.kernels().gelu_mul(gate, up, n);
      break;
    case FfnKind::kGelu:
      p.kernels().gelu(up, n);
      break;
  }
}

/// The products of gate and up, each tile activated where it was made: the input of ffn_down.
const float* project_ffn(const Pass& p, const LayerWeights& w) {
  const FfnSpec& ffn = p.spec().ffn;
  const bool gated = ffn.kind != FfnKind::kGelu;
  const Product up{w.ffn_up.weight, p.s.up.data()};
  const Product gate{w.ffn_gate.weight, p.s.gate.data()};
  const Input input(p, p.s.x.data(), p.n_tokens(), p.spec().n_embd, {gate, up}, &w.ffn_norm);
  const Tiles its = tiles(p, up, p.n_tokens());
  p.pool.run(its.size(), [&](int task, int worker) {
    const Tile tile = its[task];
    if (gated) multiply(p, input, gate, tile, worker);
    multiply(p, input, up, tile, worker);
    for_outputs(tile, ffn.n_ff, [&](int t, Outputs outputs) { activate(p, w, t, outputs); });
  });
  return gated ? gate.y : up.y;
}

void ffn_block(const Pass& p, const LayerWeights& w, int layer) {
  const int n = p.spec().n_embd;
  watch_norm(p, "ffn_norm", layer, w.ffn_norm);
  const float* activated = project_ffn(p, w);
  const Input input(p, activated, p.n_tokens(), p.spec().ffn.n_ff, {{w.ffn_down.weight, p.s.h.data()}});
  add_product(p, input, w.ffn_down, w.post_ffw_norm);
  p.watch("ffn_out", layer, p.s.h.data(), p.n_tokens(), n);
  p.watch("l_out", layer, p.s.x.data(), p.n_tokens(), n);
}

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
  const Product product{p.model.weights.head(), logits};
  multiply(p, Input(p, p.s.h.data(), n_wanted, n, {product}), n_wanted, {product});
  if (p.spec().logit_softcap != 0.0f) {
    for_rows(p.pool, n_wanted, [&](int i) {
      p.kernels().softcap(row(logits, i, p.spec().n_vocab), p.spec().logit_softcap, p.spec().n_vocab);
    });
  }
  p.watch("result_output", kNoLayer, logits, n_wanted, p.spec().n_vocab);
}

bool are_strangers(const Batch& batch) {
  std::vector<const KvCache*> caches;
  for (const BatchToken& token : batch.tokens) caches.push_back(token.cache);
  std::sort(caches.begin(), caches.end());
  return std::adjacent_find(caches.begin(), caches.end()) == caches.end();
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
  for (int layer = 0; layer < model.spec.n_layers; ++layer) {
    const LayerWeights& weights = model.weights.layers[static_cast<size_t>(layer)];
    attention_block(p, weights, layer);
    ffn_block(p, weights, layer);
  }
  head(p, logits);
}

}  // namespace pellucid::model
