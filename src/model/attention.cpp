#include "model/attention.h"

#include <algorithm>

#include "model/row_ops.h"

namespace pellucid::model {
namespace {

constexpr int kMinValuesToShare = 1 << 15;  // to be joined: fewer are joined before another thread wakes
constexpr int kTasksPerThread = 4;          // of attention, at least: they differ in size

/// A layer of a pass, as its attention sees it.
struct Layer {
  const Pass& p;
  const LayerWeights& w;
  int index;

  [[nodiscard]] const AttentionSpec& spec() const { return p.spec().attention; }
  [[nodiscard]] int heads_of_kv() const { return spec().n_heads / spec().n_kv_heads; }
  [[nodiscard]] const BatchToken& token(int t) const { return p.batch.tokens[static_cast<size_t>(t)]; }
};

/// Bias, per-head norm and rotation of n heads of a row of q or k, `first` the first of them; x are their
/// values.
void finish_heads(const Layer& l, const Linear& linear, const Norm& head_norm, int t, int first, int n,
                  float* x) {
  const Pass& p = l.p;
  const int head_dim = l.spec().head_dim;
  add_bias(p, linear, first * head_dim, n * head_dim, x);
  if (l.spec().qk_norm == QkNorm::kPerHead) {
    for (int head = 0; head < n; ++head) {
      float* values = row(x, head, head_dim);
      normalize(p, head_norm, values, head_dim, values);
    }
  }
  const RopeSpec& rope = p.spec().rope;
  if (rope.n_rot == 0) return;
  const int offset = (p.spec().is_local(l.index) ? p.s.max_tokens : 0) + t;
  p.kernels().rope(x, n, head_dim, rope.n_rot, row(p.s.cos.data(), offset, rope.n_rot / 2),
                   row(p.s.sin.data(), offset, rope.n_rot / 2), rope.pairing);
}

/// The query heads of token t that share a kv head.
void finish_queries(const Layer& l, int t, int kv_head, float* q) {
  finish_heads(l, l.w.attn_q, l.w.attn_q_norm, t, kv_head * l.heads_of_kv(), l.heads_of_kv(), q);
}

float* queries(const Layer& l, int t, int kv_head) {
  return row(row(l.p.s.q.data(), t, l.p.spec().q_width()), kv_head * l.heads_of_kv(), l.spec().head_dim);
}

/// Finishes the key and value of token t and puts them into its cache.
void store(const Layer& l, int t, int kv_head) {
  const Pass& p = l.p;
  const int head_dim = l.spec().head_dim;
  float* k = row(row(p.s.k.data(), t, p.spec().kv_width()), kv_head, head_dim);
  float* v = row(row(p.s.v.data(), t, p.spec().kv_width()), kv_head, head_dim);
  finish_heads(l, l.w.attn_k, l.w.attn_k_norm, t, kv_head, 1, k);
  add_bias(p, l.w.attn_v, kv_head * head_dim, head_dim, v);
  const BatchToken& token = l.token(t);
  p.kernels().store_kv(k, v, head_dim, token.cache->type(), token.position % kernels::kPagePositions,
                       token.cache->at(l.index, kv_head, token.position / kernels::kPagePositions));
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

Visible visible(const Layer& l, int t) {
  const int position = l.token(t).position;
  return {l.p.spec().is_local(l.index) ? std::max(0, position + 1 - l.spec().window) : 0, position + 1};
}

/// The heads of a token that share a kv head, over some positions.
struct Part {
  int t;
  int kv_head;
  Visible positions;

  /// Whether it reads what the token stores.
  [[nodiscard]] bool holds_token(const Layer& l) const { return positions.end > l.token(t).position; }
  [[nodiscard]] int first_page() const { return positions.begin / kernels::kPagePositions; }
  [[nodiscard]] int n_pages() const {
    return (positions.end - 1) / kernels::kPagePositions - first_page() + 1;
  }
};

/// How a worker meets a task.
struct Turn {
  int worker;
  bool is_ready;      // queries are finished, and the tokens' own keys and values stored
  bool is_asked_for;  // its last task was the one before, which asked for what this one reads
};

/// Tasks of attention: mix(task, turn) for each.
template <typename Mix>
void run_turns(ThreadPool& pool, int n_tasks, bool is_ready, const Mix& mix) {
  pool.run_begun(n_tasks, [mix, is_ready](int worker) {
    return [mix, is_ready, worker, next = -1](int task) mutable {
      mix(task, Turn{worker, is_ready, task == next});
      next = task + 1;
    };
  });
}

/// The unfinished attention of `part`. `next` is probably computed after it.
void mix_part(const Layer& l, const Part& part, const Part& next, const Turn& turn, float* out,
              kernels::AttentionPart* parts) {
  const Pass& p = l.p;
  const KvCache& cache = *l.token(part.t).cache;
  kernels::AttentionTask task{};
  const float* of_batch = queries(l, part.t, part.kv_head);
  float* own = p.s.private_rows[static_cast<size_t>(turn.worker)].queries.data();
  task.q = turn.is_ready ? of_batch : own;
  task.out = out;
  task.parts = parts;
  task.pages = cache.pages(l.index, part.kv_head);
  task.kv_type = cache.type();
  task.n_heads = l.heads_of_kv();
  task.head_dim = l.spec().head_dim;
  task.begin = part.positions.begin;
  task.end = part.positions.end;
  task.scale = l.spec().scale;
  task.next = l.token(next.t).cache->pages(l.index, next.kv_head).from(next.first_page());
  task.n_next = next.n_pages();
  task.is_asked_for = turn.is_asked_for;
  if (!turn.is_ready) {  // only now: attention reads the task in wider words, which wait for stores before
    std::copy_n(of_batch, task.n_heads * task.head_dim, own);
    finish_queries(l, part.t, part.kv_head, own);
    if (part.holds_token(l)) store(l, part.t, part.kv_head);
  }
  p.kernels().attention(task);
}

/// Over all that the token sees.
Part whole_part(const Layer& l, int t, int kv_head) { return {t, kv_head, visible(l, t)}; }

/// The heads of a kv head of a token, whatever the depth.
void mix_token(const Layer& l, const Part& part, const Part& next, const Turn& turn) {
  const Pass& p = l.p;
  const int head_dim = l.spec().head_dim;
  const int head = part.kv_head * l.heads_of_kv();
  float* out = row(row(p.s.mixed.data(), part.t, p.spec().q_width()), head, head_dim);
  kernels::AttentionPart* parts = row(p.s.parts.data(), part.t, l.spec().n_heads) + head;
  mix_part(l, part, next, turn, out, parts);
  for (int h = 0; h < l.heads_of_kv(); ++h) {
    float* values = row(out, h, head_dim);
    p.kernels().join_spans(values, parts + h, 1, 0, head_dim, values);
  }
}

/// Each token by itself.
void mix_tokens(const Layer& l, bool is_ready) {
  const int n_kv_heads = l.spec().n_kv_heads;
  const int n_tasks = l.p.n_tokens() * n_kv_heads;
  run_turns(l.p.pool, n_tasks, is_ready, [l, n_kv_heads, n_tasks](int task, const Turn& turn) {
    const int next = std::min(task + 1, n_tasks - 1);
    mix_token(l, whole_part(l, task / n_kv_heads, task % n_kv_heads),
              whole_part(l, next / n_kv_heads, next % n_kv_heads), turn);
  });
}

/// Tokens from t on, before `end`, that follow each other in one sequence.
int run_length(const Layer& l, int t, int end) {
  int n = 1;
  while (t + n < end && l.token(t + n).cache == l.token(t).cache &&
         l.token(t + n).position == l.token(t).position + n) {
    ++n;
  }
  return n;
}

/// Tokens that are a task of attention for each kv head.
int tokens_of_task(const Layer& l) {
  const int for_each = l.p.n_tokens() * l.spec().n_kv_heads / (kTasksPerThread * l.p.pool.size());
  return std::clamp(for_each, 1, std::max(1, kernels::kRunRows / l.heads_of_kv()));
}

/// The heads of a kv head of n tokens that follow each other, whose own keys and values are stored.
void mix_run(const Layer& l, int t, int n, int kv_head) {
  const Pass& p = l.p;
  const KvCache& cache = *l.token(t).cache;
  kernels::AttentionRun run{};
  run.q = queries(l, t, kv_head);
  run.stride = p.spec().q_width();
  run.out = row(row(p.s.mixed.data(), t, p.spec().q_width()), kv_head * l.heads_of_kv(), l.spec().head_dim);
  run.pages = cache.pages(l.index, kv_head);
  run.kv_type = cache.type();
  run.n_heads = l.heads_of_kv();
  run.head_dim = l.spec().head_dim;
  run.n_tokens = n;
  run.position = l.token(t).position;
  run.window = p.spec().is_local(l.index) ? l.spec().window : 0;
  run.scale = l.spec().scale;
  p.kernels().attention_run(run);
}

/// All tokens, ready: those that follow each other together.
void mix_runs(const Layer& l) {
  const int n_kv_heads = l.spec().n_kv_heads;
  const int tokens = tokens_of_task(l);
  const int n_tasks = (l.p.n_tokens() + tokens - 1) / tokens * n_kv_heads;
  l.p.pool.run(n_tasks, [l, n_kv_heads, tokens](int index, int worker) {
    const int kv_head = index % n_kv_heads;
    const int begin = index / n_kv_heads * tokens;
    const int end = std::min(begin + tokens, l.p.n_tokens());
    bool is_asked_for = false;
    for (int t = begin; t < end;) {
      const int n = run_length(l, t, end);
      if (n > 1) {
        mix_run(l, t, n, kv_head);
      } else {
        mix_token(l, whole_part(l, t, kv_head), whole_part(l, std::min(t + 1, end - 1), kv_head),
                  {worker, true, is_asked_for});
      }
      is_asked_for = n == 1;
      t += n;
    }
  });
}

/// The heads of a kv head of token t over a span.
void mix_span(const Layer& l, int t, int index, const Turn& turn) {
  const Visible positions = visible(l, t);
  const int n_kv_heads = l.spec().n_kv_heads;
  const auto part_of = [&](int task) {
    return Part{t, task % n_kv_heads, positions.span(task / n_kv_heads)};
  };
  const Part part = part_of(index);
  const int next = std::min(index + 1, positions.n_spans() * n_kv_heads - 1);
  const int at = index / n_kv_heads * l.spec().n_heads + part.kv_head * l.heads_of_kv();
  mix_part(l, part, part_of(next), turn, row(l.p.s.span_values.data(), at, l.spec().head_dim),
           l.p.s.span_parts.data() + at);
}

/// The attention of one token: the heads of a kv head over each span are a task of its own.
void mix_spans(const Layer& l, int t, bool is_ready) {
  const Pass& p = l.p;
  const int head_dim = l.spec().head_dim;
  const int n_heads = l.spec().n_heads;
  const int n_spans = visible(l, t).n_spans();
  p.s.reserve_spans(n_spans, n_heads, head_dim);
  run_turns(p.pool, n_spans * l.spec().n_kv_heads, is_ready,
            [l, t](int index, const Turn& turn) { mix_span(l, t, index, turn); });
  const auto join = [&](int h, int) {
    p.kernels().join_spans(row(p.s.span_values.data(), h, head_dim), p.s.span_parts.data() + h, n_spans,
                           n_heads, head_dim, row(row(p.s.mixed.data(), t, p.spec().q_width()), h, head_dim));
  };
  if (n_spans * n_heads * head_dim >= kMinValuesToShare) {
    p.pool.run(n_heads, join);
  } else {
    for (int h = 0; h < n_heads; ++h) join(h, 0);
  }
}

}  // namespace

void make_ready(const Pass& p, const LayerWeights& w, int layer) {
  const Layer l{p, w, layer};
  const int n_kv_heads = l.spec().n_kv_heads;
  p.pool.run(p.n_tokens() * n_kv_heads, [l, n_kv_heads](int task, int) {
    const int t = task / n_kv_heads;
    const int kv_head = task % n_kv_heads;
    finish_queries(l, t, kv_head, queries(l, t, kv_head));
    store(l, t, kv_head);
  });
  p.watch("Qcur", layer, p.s.q.data(), p.n_tokens(), p.spec().q_width());
  p.watch("Kcur", layer, p.s.k.data(), p.n_tokens(), p.spec().kv_width());
  p.watch("Vcur", layer, p.s.v.data(), p.n_tokens(), p.spec().kv_width());
}

void attend(const Pass& p, const LayerWeights& w, int layer, bool is_ready) {
  const Layer l{p, w, layer};
  const bool by_tokens = p.n_tokens() * l.spec().n_kv_heads >= kTasksPerThread * p.pool.size();
  // Where nothing waits for the stored keys of others, each task makes ready what it reads.
  if (!is_ready && (static_cast<bool>(p.tap) || (by_tokens && !p.are_strangers))) {
    make_ready(p, w, layer);
    is_ready = true;
  }
  const bool has_runs = is_ready && l.token(0).cache->type() != kernels::KvType::kQ8_0;
  if (by_tokens && has_runs) {
    mix_runs(l);
  } else if (by_tokens) {
    mix_tokens(l, is_ready);
  } else {
    for (int t = 0; t < p.n_tokens(); ++t) mix_spans(l, t, is_ready);
  }
  p.watch("kqv_out", layer, p.s.mixed.data(), p.n_tokens(), p.spec().q_width());
}

}  // namespace pellucid::model
