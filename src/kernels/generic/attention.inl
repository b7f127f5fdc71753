// Exact attention over paged keys and values. Included inside the namespace of a level.

template <KvType kType>
inline F32 load_kv(const std::byte* page, int64_t index) {
  if constexpr (kType == KvType::kF16) {
    return load_half(page + index * 2);
  } else {
    return load(reinterpret_cast<const float*>(page) + index);
  }
}

inline void store_element(KvType type, std::byte* page, int64_t index, float value) {
  if (type == KvType::kF16) {
    const uint16_t half = to_half(value);
    __builtin_memcpy(page + index * 2, &half, sizeof(half));
  } else {
    __builtin_memcpy(page + index * 4, &value, sizeof(value));
  }
}

inline void store_kv(const float* k, const float* v, int head_dim, KvType type, int slot, std::byte* page) {
  const int64_t values = int64_t{head_dim} * kPagePositions;
  for (int d = 0; d < head_dim; ++d) {
    store_element(type, page, int64_t{d} * kPagePositions + slot, k[d]);
    store_element(type, page, values + int64_t{slot} * head_dim + d, v[d]);
  }
}

/// kHeads heads of a task over the positions [begin, end) of one span. Scores, then weights, are kept from
/// `first` on, the first position of the first page.
template <KvType kType, int kHeads>
struct SpanOfHeads {
  const AttentionTask& task;
  int head;  // the first one
  int begin, end;
  int first = begin / kPagePositions * kPagePositions;
  alignas(64) float scores[kHeads][kSpanPositions];
  float maximums[kHeads];
  float totals[kHeads];
};

/// Scores of all heads with kVectors * 16 positions from `lane` on of one page: a chain over head_dim each.
template <int kVectors, KvType kType, int kHeads>
inline void score_tile(SpanOfHeads<kType, kHeads>& s, const std::byte* page, int lane, int column) {
  const float* q = s.task.q + int64_t{s.head} * s.task.head_dim;
  F32 acc[kHeads][kVectors];
  for (auto& row : acc) {
    for (F32& a : row) a = set1(0.0F);
  }
  for (int d = 0; d < s.task.head_dim; ++d) {
    F32 keys[kVectors];
    for (int i = 0; i < kVectors; ++i) {
      keys[i] = load_kv<kType>(page, int64_t{d} * kPagePositions + lane + i * kLanes);
    }
    for (int h = 0; h < kHeads; ++h) {
      const F32 query = set1(q[int64_t{h} * s.task.head_dim + d]);
      for (int i = 0; i < kVectors; ++i) acc[h][i] = fma(query, keys[i], acc[h][i]);
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int i = 0; i < kVectors; ++i) {
      store(s.scores[h] + column + i * kLanes, acc[h][i] * set1(s.task.scale));
    }
  }
}

template <KvType kType, int kHeads>
inline void score(SpanOfHeads<kType, kHeads>& s) {
  for (int p = s.first; p < s.end; p += kPagePositions) {
    const std::byte* page = s.task.pages[p / kPagePositions];
    for (int lane = 0; lane < kPagePositions && p + lane < s.end; lane += kAttentionVectors * kLanes) {
      score_tile<kAttentionVectors>(s, page, lane, p + lane - s.first);
    }
  }
}

/// Scores of one head to weights e^(score - maximum), 0 outside [begin, end); their sum in 16 lanes and one
/// tree.
template <KvType kType, int kHeads>
inline void softmax(SpanOfHeads<kType, kHeads>& s, int h) {
  const F32 outside = set1(-__builtin_inff());
  float* scores = s.scores[h];
  const int n = s.end - s.first;
  F32 largest = outside;
  for (int i = 0; i < n; i += kLanes) {
    const F32 visible = keep_lanes(load(scores + i), s.begin - s.first - i, n - i, outside);
    store(scores + i, visible);
    largest = max(visible, largest);
  }
  s.maximums[h] = maximum(largest);
  F32 total = set1(0.0F);
  for (int i = 0; i < n; i += kLanes) {
    const F32 weight = exp(load(scores + i) - set1(s.maximums[h]));
    store(scores + i, weight);
    total = total + weight;
  }
  s.totals[h] = sum(total);
}

/// What joining two spans multiplies them by: e^(maximum - larger maximum) of each.
struct JoinFactors {
  float before, next;
};

inline JoinFactors join_factors(float before, float next) {
  const float larger = before > next ? before : next;
  alignas(64) float factors[kLanes] = {before - larger, next - larger};
  store(factors, exp(load(factors)));
  return {factors[0], factors[1]};
}

/// Joins the maximum and the sum of weights of the next span to those of the spans before it.
inline JoinFactors join_weights(float& maximum, float& total, float next_maximum, float next_total) {
  const JoinFactors factors = join_factors(maximum, next_maximum);
  maximum = maximum > next_maximum ? maximum : next_maximum;
  total = fma1(total, factors.before, next_total * factors.next);
  return factors;
}

inline F32 join_values(F32 before, F32 next, JoinFactors factors) {
  return fma(before, set1(factors.before), next * set1(factors.next));
}

/// Weighted sums of values, kVectors * 16 of each head from `column` on: a chain over the visible positions
/// each. `finish(h, column, sums)` takes them.
template <int kVectors, KvType kType, int kHeads, typename Finish>
inline void value_tile(const SpanOfHeads<kType, kHeads>& s, int column, const Finish& finish) {
  F32 acc[kHeads][kVectors];
  for (auto& row : acc) {
    for (F32& a : row) a = set1(0.0F);
  }
  for (int p = s.begin; p < s.end;) {
    const std::byte* page = s.task.pages[p / kPagePositions];
    const int page_end = (p / kPagePositions + 1) * kPagePositions;
    const int end = page_end < s.end ? page_end : s.end;
    int64_t at = int64_t{s.task.head_dim} * (kPagePositions + p % kPagePositions) + column;
    for (; p < end; ++p, at += s.task.head_dim) {
      F32 values[kVectors];
      for (int i = 0; i < kVectors; ++i) values[i] = load_kv<kType>(page, at + i * kLanes);
      for (int h = 0; h < kHeads; ++h) {
        const F32 weight = set1(s.scores[h][p - s.first]);
        for (int i = 0; i < kVectors; ++i) acc[h][i] = fma(weight, values[i], acc[h][i]);
      }
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int i = 0; i < kVectors; ++i) finish(h, column + i * kLanes, acc[h][i]);
  }
}

template <KvType kType, int kHeads, typename Finish>
inline void mix_values(const SpanOfHeads<kType, kHeads>& s, const Finish& finish) {
  const int head_dim = s.task.head_dim;
  int column = 0;
  for (; column + kAttentionVectors * kLanes <= head_dim; column += kAttentionVectors * kLanes) {
    value_tile<kAttentionVectors>(s, column, finish);
  }
  for (; column < head_dim; column += kLanes) value_tile<1>(s, column, finish);
}

/// One span of kHeads heads, joined to the spans before it unless it is the first of the task.
template <KvType kType, int kHeads>
void attend_span(const AttentionTask& task, int head, int begin, int end) {
  SpanOfHeads<kType, kHeads> s{task, head, begin, end};
  score(s);
  JoinFactors factors[kHeads];
  for (int h = 0; h < kHeads; ++h) {
    softmax(s, h);
    AttentionPart& part = task.parts[head + h];
    if (begin == task.begin) {
      part = {s.maximums[h], s.totals[h]};
    } else {
      factors[h] = join_weights(part.maximum, part.total, s.maximums[h], s.totals[h]);
    }
  }
  mix_values(s, [&](int h, int column, F32 sums) {
    float* out = task.out + int64_t{head + h} * task.head_dim + column;
    store(out, begin == task.begin ? sums : join_values(load(out), sums, factors[h]));
  });
}

template <KvType kType, int kHeads>
void attend_heads(const AttentionTask& task, int head) {
  for (int begin = task.begin; begin < task.end;) {
    const int span_end = (begin / kSpanPositions + 1) * kSpanPositions;
    const int end = span_end < task.end ? span_end : task.end;
    attend_span<kType, kHeads>(task, head, begin, end);
    begin = end;
  }
}

/// kHeads heads at a time while there are as many, then one fewer.
template <KvType kType, int kHeads>
void attend(const AttentionTask& task, int head) {
  for (; head + kHeads <= task.n_heads; head += kHeads) attend_heads<kType, kHeads>(task, head);
  if constexpr (kHeads > 1) attend<kType, kHeads - 1>(task, head);
}

void attention(const AttentionTask& task) {
  if (task.kv_type == KvType::kF16) {
    attend<KvType::kF16, kAttentionHeads>(task, 0);
  } else {
    attend<KvType::kF32, kAttentionHeads>(task, 0);
  }
}

inline void join_spans(const float* values, const AttentionPart* parts, int n_spans, int64_t stride,
                       int head_dim, float* out) {
  AttentionPart all = parts[0];
  if (out != values) __builtin_memcpy(out, values, static_cast<size_t>(head_dim) * sizeof(float));
  for (int s = 1; s < n_spans; ++s) {
    const AttentionPart& part = parts[s * stride];
    const JoinFactors factors = join_weights(all.maximum, all.total, part.maximum, part.total);
    const float* next = values + s * stride * head_dim;
    for (int i = 0; i < head_dim; i += kLanes)
      store(out + i, join_values(load(out + i), load(next + i), factors));
  }
  for (int i = 0; i < head_dim; i += kLanes) store(out + i, load(out + i) / set1(all.total));
}
