#include "model/forward.h"

#include <algorithm>
#include <cassert>

#include "model/pass.h"
#include "model/products.h"
#include "model/rope.h"

namespace pellucid::model {
namespace {

constexpr int kMinValuesToShare = 1 << 15;  // to be joined: fewer are joined before another thread wakes
constexpr int kTasksPerThread = 4;          // of attention, at least: they differ in size

void normalize(const Pass& p, const Norm& norm, const float* x, int n, float* y) {
  if (p.spec().norm.kind == NormKind::kRms) {
    p.kernels().rms_norm(x, norm.weight.data(), p.spec().norm.eps, n, y);
  } else {
    p.kernels().layer_norm(x, norm.weight.data(), norm.bias.data(), p.spec().norm.eps, n, y);
  }
}

/// y += bias, for n outputs from `first` on.
void add_bias(const Pass& p, const Linear& linear, int first, int n, float* y) {
  if (linear.bias.size() != 0) p.kernels().add(y, linear.bias.data() + first, n);
}

void add_bias(const Pass& p, const Linear& linear, float* y) {
  add_bias(p, linear, 0, linear.weight.n_rows, y);
}

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

/// Bias, per-head norm and rotation of one row of q or k.
void finish_heads(const Pass& p, const Linear& linear, const Norm& head_norm, int layer, int t, int n_heads,
                  float* x) {
  const AttentionSpec& a = p.spec().attention;
  add_bias(p, linear, x);
  if (a.qk_norm == QkNorm::kPerHead) {
    for (int head = 0; head < n_heads; ++head) {
      float* values = row(x, head, a.head_dim);
      normalize(p, head_norm, values, a.head_dim, values);
    }
  }
  const RopeSpec& rope = p.spec().rope;
  if (rope.n_rot == 0) return;
  const int offset = (p.spec().is_local(layer) ? p.s.max_tokens : 0) + t;
  p.kernels().rope(x, n_heads, a.head_dim, rope.n_rot, row(p.s.cos.data(), offset, rope.n_rot / 2),
                   row(p.s.sin.data(), offset, rope.n_rot / 2), rope.pairing);
}

/// Queries, keys and values of the batch; keys and values go to the cache.
void project_qkv(const Pass& p, const LayerWeights& w, int layer) {
  const AttentionSpec& a = p.spec().attention;
  const int q_width = p.spec().q_width();
  const int kv_width = p.spec().kv_width();
  multiply(
      p, p.s.h.data(), p.n_tokens(), p.spec().n_embd,
      {{w.attn_q.weight, p.s.q.data()}, {w.attn_k.weight, p.s.k.data()}, {w.attn_v.weight, p.s.v.data()}});
  for_rows(p.pool, p.n_tokens(), [&](int t) {
    float* k = row(p.s.k.data(), t, kv_width);
    float* v = row(p.s.v.data(), t, kv_width);
    finish_heads(p, w.attn_q, w.attn_q_norm, layer, t, a.n_heads, row(p.s.q.data(), t, q_width));
    finish_heads(p, w.attn_k, w.attn_k_norm, layer, t, a.n_kv_heads, k);
    add_bias(p, w.attn_v, v);
    const BatchToken& token = p.batch.tokens[static_cast<size_t>(t)];
    const int page = token.position / kernels::kPagePositions;
    for (int head = 0; head < a.n_kv_heads; ++head) {
      p.kernels().store_kv(row(k, head, a.head_dim), row(v, head, a.head_dim), a.head_dim,
                           token.cache->type(), token.position % kernels::kPagePositions,
                           token.cache->pages(layer, head)[page]);
    }
  });
  p.watch("Qcur", layer, p.s.q.data(), p.n_tokens(), q_width);
  p.watch("Kcur", layer, p.s.k.data(), p.n_tokens(), kv_width);
  p.watch("Vcur", layer, p.s.v.data(), p.n_tokens(), kv_width);
}

/// Positions that a token sees in a layer, and the spans of attention they touch.
struct Visible {
  int begin, end;

  [[nodiscard]] int first_span() const { return begin / kernels::kSpanPositions; }
  [[nodiscard]] int n_spans() const { return (end - 1) / kernels::kSpanPositions - first_span() + 1; }
  /// The part of it in its span `index`.
  [[nodiscard]] Visible span(int index) const {
    const int start = (first_span() + index) * kernels::kSpanPositions;
    return {std::max(begin, start), std::min(end, start + kernels::kSpanPositions)};
  }
};

Visible visible(const Pass& p, int t, int layer) {
  const int position = p.batch.tokens[static_cast<size_t>(t)].position;
  const int window = p.spec().attention.window;
  return {p.spec().is_local(layer) ? std::max(0, position + 1 - window) : 0, position + 1};
}

/// The pages of a token's kv head that hold `positions`.
std::span<const std::byte* const> pages(const Pass& p, int layer, int t, int kv_head, Visible positions) {
  const KvCache& cache = *p.batch.tokens[static_cast<size_t>(t)].cache;
  const int first = positions.begin / kernels::kPagePositions;
  const int last = (positions.end - 1) / kernels::kPagePositions;
  return {cache.pages(layer, kv_head) + first, static_cast<size_t>(last - first + 1)};
}

/// The heads of token t that share a kv head, over `positions`; the result is unfinished. `next` are the
/// pages that are probably read after it.
void attend(const Pass& p, int layer, int t, int kv_head, Visible positions,
            std::span<const std::byte* const> next, float* out, kernels::AttentionPart* parts) {
  const AttentionSpec& a = p.spec().attention;
  const KvCache& cache = *p.batch.tokens[static_cast<size_t>(t)].cache;
  kernels::AttentionTask task{};
  task.n_heads = a.n_heads / a.n_kv_heads;
  task.head_dim = a.head_dim;
  task.q = row(row(p.s.q.data(), t, p.spec().q_width()), kv_head * task.n_heads, a.head_dim);
  task.out = out;
  task.parts = parts;
  task.pages = cache.pages(layer, kv_head);
  task.next = next;
  task.kv_type = cache.type();
  task.begin = positions.begin;
  task.end = positions.end;
  task.scale = a.scale;
  p.kernels().attention(task);
}

/// The attention of many tokens: the heads of a kv head are one task, whatever the depth.
void mix_tokens(const Pass& p, int layer) {
  const AttentionSpec& a = p.spec().attention;
  const int heads = a.n_heads / a.n_kv_heads;
  const int n_tasks = p.n_tokens() * a.n_kv_heads;
  p.pool.run(n_tasks, [&](int index, int) {
    const int t = index / a.n_kv_heads;
    const int kv_head = index % a.n_kv_heads;
    const int after = std::min(index + 1, n_tasks - 1);
    const int next_t = after / a.n_kv_heads;
    const auto next = pages(p, layer, next_t, after % a.n_kv_heads, visible(p, next_t, layer));
    float* out = row(row(p.s.mixed.data(), t, p.spec().q_width()), kv_head * heads, a.head_dim);
    kernels::AttentionPart* parts = row(row(p.s.parts.data(), t, a.n_heads), kv_head, heads);
    attend(p, layer, t, kv_head, visible(p, t, layer), next, out, parts);
    for (int h = 0; h < heads; ++h) {
      p.kernels().join_spans(row(out, h, a.head_dim), parts + h, 1, 0, a.head_dim, row(out, h, a.head_dim));
    }
  });
}

/// The attention of one token: the heads of a kv head over each span are a task of its own.
void mix_spans(const Pass& p, int layer, int t) {
  const AttentionSpec& a = p.spec().attention;
  const Visible positions = visible(p, t, layer);
  const int n_spans = positions.n_spans();
  const int n_tasks = n_spans * a.n_kv_heads;
  p.s.reserve_spans(n_spans, a.n_heads, a.head_dim);
  p.pool.run(n_tasks, [&](int index, int) {
    const int span = index / a.n_kv_heads;
    const int kv_head = index % a.n_kv_heads;
    const int after = std::min(index + 1, n_tasks - 1);
    const auto next = pages(p, layer, t, after % a.n_kv_heads, positions.span(after / a.n_kv_heads));
    const int part = span * a.n_heads + kv_head * (a.n_heads / a.n_kv_heads);
    attend(p, layer, t, kv_head, positions.span(span), next, row(p.s.span_values.data(), part, a.head_dim),
           p.s.span_parts.data() + part);
  });
  const auto join = [&](int h, int) {
    p.kernels().join_spans(row(p.s.span_values.data(), h, a.head_dim), p.s.span_parts.data() + h, n_spans,
                           a.n_heads, a.head_dim,
                           row(row(p.s.mixed.data(), t, p.spec().q_width()), h, a.head_dim));
  };
  if (n_spans * a.n_heads * a.head_dim >= kMinValuesToShare) {
    p.pool.run(a.n_heads, join);
  } else {
    for (int h = 0; h < a.n_heads; ++h) join(h, 0);
  }
}

/// Softmax(q k^T) v of each head: s.q -> s.mixed.
void mix(const Pass& p, int layer) {
  if (p.n_tokens() * p.spec().attention.n_kv_heads >= kTasksPerThread * p.pool.size()) {
    mix_tokens(p, layer);
  } else {
    for (int t = 0; t < p.n_tokens(); ++t) mix_spans(p, layer, t);
  }
  p.watch("kqv_out", layer, p.s.mixed.data(), p.n_tokens(), p.spec().q_width());
}

/// x += post_norm(h + bias), the end of each block.
void add_block(const Pass& p, const Linear& linear, const Norm& post_norm) {
  const int n = p.spec().n_embd;
  for_rows(p.pool, p.n_tokens(), [&](int t) {
    float* h = row(p.s.h.data(), t, n);
    add_bias(p, linear, h);
    if (p.spec().post_norm == PostNorm::kSandwich) normalize(p, post_norm, h, n, h);
    p.kernels().add(row(p.s.x.data(), t, n), h, n);
  });
}

void attention_block(const Pass& p, const LayerWeights& w, int layer) {
  const int n = p.spec().n_embd;
  for_rows(p.pool, p.n_tokens(),
           [&](int t) { normalize(p, w.attn_norm, row(p.s.x.data(), t, n), n, row(p.s.h.data(), t, n)); });
  p.watch("attn_norm", layer, p.s.h.data(), p.n_tokens(), n);
  project_qkv(p, w, layer);
  mix(p, layer);
  multiply(p, p.s.mixed.data(), p.n_tokens(), p.spec().q_width(), {{w.attn_output.weight, p.s.h.data()}});
  add_block(p, w.attn_output, w.post_attention_norm);
  p.watch("attn_out", layer, p.s.h.data(), p.n_tokens(), n);
  p.watch("ffn_inp", layer, p.s.x.data(), p.n_tokens(), n);
}

/// gate = act(gate) * up of the outputs of groups [group_begin, group_end) of a tile, or up = act(up) where
/// there is no gate.
void activate(const Pass& p, const LayerWeights& w, const Tile& tile, int group_begin, int group_end) {
  const int n_ff = p.spec().ffn.n_ff;
  const int first = group_begin * kernels::kLanes;
  const int n = std::min(group_end * kernels::kLanes, n_ff) - first;
  for (int t = tile.row_begin; t < tile.row_end; ++t) {
    float* gate = row(p.s.gate.data(), t, n_ff) + first;
    float* up = row(p.s.up.data(), t, n_ff) + first;
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
}

/// The products of gate and up, each tile activated where it was made: the input of ffn_down.
const float* project_ffn(const Pass& p, const LayerWeights& w) {
  const bool gated = p.spec().ffn.kind != FfnKind::kGelu;
  const Product up{w.ffn_up.weight, p.s.up.data()};
  const Product gate{w.ffn_gate.weight, p.s.gate.data()};
  const Input input(p, p.s.h.data(), p.n_tokens(), p.spec().n_embd, {gate, up});
  const Tiles its = tiles(p, up, p.n_tokens());
  p.pool.run(its.size(), [&](int task, int worker) {
    const Tile tile = its[task];
    if (gated) multiply(p, input, gate, tile, worker);
    multiply(p, input, up, tile, worker);
    for (int run = 0; run < tile.groups.n_runs; ++run) {
      const int offset = run * tile.groups.stride;
      activate(p, w, tile, tile.groups.begin + offset, tile.groups.end + offset);
    }
  });
  return gated ? gate.y : up.y;
}

void ffn_block(const Pass& p, const LayerWeights& w, int layer) {
  const int n = p.spec().n_embd;
  for_rows(p.pool, p.n_tokens(),
           [&](int t) { normalize(p, w.ffn_norm, row(p.s.x.data(), t, n), n, row(p.s.h.data(), t, n)); });
  p.watch("ffn_norm", layer, p.s.h.data(), p.n_tokens(), n);
  const float* activated = project_ffn(p, w);
  multiply(p, activated, p.n_tokens(), p.spec().ffn.n_ff, {{w.ffn_down.weight, p.s.h.data()}});
  add_block(p, w.ffn_down, w.post_ffw_norm);
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
  multiply(p, p.s.h.data(), n_wanted, n, {{p.model.weights.head(), logits}});
  if (p.spec().logit_softcap != 0.0f) {
    for_rows(p.pool, n_wanted, [&](int i) {
      p.kernels().softcap(row(logits, i, p.spec().n_vocab), p.spec().logit_softcap, p.spec().n_vocab);
    });
  }
  p.watch("result_output", kNoLayer, logits, n_wanted, p.spec().n_vocab);
}

}  // namespace

void forward(const Model& model, const Batch& batch, Scratch& scratch, ThreadPool& pool, float* logits,
             const Tap& tap) {
  assert(!batch.tokens.empty() && static_cast<int>(batch.tokens.size()) <= scratch.max_tokens);
  const Pass p{model, batch, scratch, pool, tap};
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
