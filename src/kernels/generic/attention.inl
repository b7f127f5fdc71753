// Exact attention over paged keys and values. Included inside the namespace of a level.

/// 16 elements of one half of a page: of its keys or of its values. kQ8_0: without their scales.
template <KvType kType>
inline F32 load_kv(const std::byte* half, int64_t index) {
  if constexpr (kType == KvType::kF16) {
    return load_half(half + index * 2);
  } else if constexpr (kType == KvType::kF32) {
    return load(reinterpret_cast<const float*>(half) + index);
  } else {
    return to_float(load_int8(half + index));
  }
}

/// Where a kQ8_0 half has the scale of a block of columns at a slot.
constexpr int64_t scale_place(int head_dim, int block, int slot) {
  return int64_t{kPagePositions} * head_dim + (int64_t{kPagePositions} * block + slot) * 2;
}

inline void store_element(KvType type, std::byte* half, int64_t index, float value) {
  if (type == KvType::kF16) {
    const uint16_t bits = to_half(value);
    __builtin_memcpy(half + index * 2, &bits, sizeof(bits));
  } else {
    __builtin_memcpy(half + index * 4, &value, sizeof(value));
  }
}

/// Block `block` of a key or value x: its codes, and its scale at its place in the half of a page.
inline void quantize_kv(const float* x, int head_dim, int block, int slot, std::byte* half,
                        int8_t (&codes)[kBlockValues]) {
  x += int64_t{block} * kBlockValues;
  uint16_t scales[kLanes];
  for (uint16_t& scale : scales) scale = to_half(block_magnitude(x) / 127.0F);
  const F32 scale = load_half(scales);
  store_bytes(codes, round_to_digit(load(x) / scale));
  store_bytes(codes + kLanes, round_to_digit(load(x + kLanes) / scale));
  __builtin_memcpy(half + scale_place(head_dim, block, slot), scales, sizeof(scales[0]));
}

inline void store_kv(const float* k, const float* v, int head_dim, KvType type, int slot, std::byte* page) {
  std::byte* values = page + kv_page_bytes(type, head_dim) / 2;
  if (type == KvType::kQ8_0) {
    int8_t codes[kBlockValues];
    for (int b = 0; b < head_dim / kBlockValues; ++b) {
      quantize_kv(k, head_dim, b, slot, page, codes);
      for (int i = 0; i < kBlockValues; ++i) {
        page[int64_t{b * kBlockValues + i} * kPagePositions + slot] = static_cast<std::byte>(codes[i]);
      }
      quantize_kv(v, head_dim, b, slot, values, codes);
      __builtin_memcpy(values + int64_t{slot} * head_dim + b * kBlockValues, codes, sizeof(codes));
    }
    return;
  }
  for (int d = 0; d < head_dim; ++d) {
    store_element(type, page, int64_t{d} * kPagePositions + slot, k[d]);
    store_element(type, values, int64_t{slot} * head_dim + d, v[d]);
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

/// Products of all heads with kVectors * 16 positions from `lane` on of one page: a chain over the columns
/// [begin, end) each.
template <int kVectors, KvType kType, int kHeads>
inline void multiply_keys(const SpanOfHeads<kType, kHeads>& s, const std::byte* page, int lane, int begin,
                          int end, F32 (&acc)[kHeads][kVectors]) {
  const float* q = s.task.q + int64_t{s.head} * s.task.head_dim;
  for (auto& row : acc) {
    for (F32& a : row) a = set1(0.0F);
  }
  for (int d = begin; d < end; ++d) {
    F32 keys[kVectors];
    for (int i = 0; i < kVectors; ++i) {
      keys[i] = load_kv<kType>(page, int64_t{d} * kPagePositions + lane + i * kLanes);
    }
    for (int h = 0; h < kHeads; ++h) {
      const F32 query = set1(q[int64_t{h} * s.task.head_dim + d]);
      for (int i = 0; i < kVectors; ++i) acc[h][i] = fma(query, keys[i], acc[h][i]);
    }
  }
}

/// Scores of all heads with the same positions.
template <int kVectors, KvType kType, int kHeads>
inline void score_tile(SpanOfHeads<kType, kHeads>& s, const std::byte* page, int lane, int column) {
  const int head_dim = s.task.head_dim;
  F32 acc[kHeads][kVectors];
  if constexpr (kType != KvType::kQ8_0) {
    multiply_keys(s, page, lane, 0, head_dim, acc);
  } else {
    for (auto& row : acc) {
      for (F32& a : row) a = set1(0.0F);
    }
    for (int b = 0; b < head_dim / kBlockValues; ++b) {
      F32 block[kHeads][kVectors];
      multiply_keys(s, page, lane, b * kBlockValues, (b + 1) * kBlockValues, block);
      for (int i = 0; i < kVectors; ++i) {
        const F32 scale = load_half(page + scale_place(head_dim, b, lane + i * kLanes));
        for (int h = 0; h < kHeads; ++h) acc[h][i] = fma(scale, block[h][i], acc[h][i]);
      }
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

/// What the values of a block of columns of kQ8_0 are multiplied by: the weights of a head times the scales.
template <KvType kType, int kHeads>
inline void scale_weights(const SpanOfHeads<kType, kHeads>& s, int h, int block, float* scaled) {
  const int64_t values = kv_page_bytes(kType, s.task.head_dim) / 2;
  for (int p = s.first; p < s.end; p += kLanes) {
    const std::byte* scales =
        s.task.pages[p / kPagePositions] + values + scale_place(s.task.head_dim, block, p % kPagePositions);
    store(scaled + p - s.first, load(s.scores[h] + p - s.first) * load_half(scales));
  }
}

/// Weighted sums of values, kVectors * 16 of each head from `column` on: a chain over the visible positions
/// each. `finish(h, column, sums)` takes them.
template <int kVectors, KvType kType, int kHeads, typename Finish>
inline void value_tile(const SpanOfHeads<kType, kHeads>& s, int column, const Finish& finish) {
  constexpr bool kScaled = kType == KvType::kQ8_0;
  constexpr int kBlocks = kScaled ? (kVectors + 1) / 2 : 1;  // parts of the tile that share their weights
  alignas(64) float scaled[kHeads][kBlocks][kScaled ? kSpanPositions : kLanes];
  const float* weights[kHeads][kBlocks];
  for (int h = 0; h < kHeads; ++h) {
    for (int b = 0; b < kBlocks; ++b) {
      if constexpr (kScaled) scale_weights(s, h, column / kBlockValues + b, scaled[h][b]);
      weights[h][b] = kScaled ? scaled[h][b] : s.scores[h];
    }
  }
  F32 acc[kHeads][kVectors];
  for (auto& row : acc) {
    for (F32& a : row) a = set1(0.0F);
  }
  for (int p = s.begin; p < s.end;) {
    const std::byte* page = s.task.pages[p / kPagePositions];
    const int page_end = (p / kPagePositions + 1) * kPagePositions;
    const int end = page_end < s.end ? page_end : s.end;
    const std::byte* half = page + kv_page_bytes(kType, s.task.head_dim) / 2;
    int64_t at = int64_t{s.task.head_dim} * (p % kPagePositions) + column;
    for (; p < end; ++p, at += s.task.head_dim) {
      F32 values[kVectors];
      for (int i = 0; i < kVectors; ++i) values[i] = load_kv<kType>(half, at + i * kLanes);
      for (int h = 0; h < kHeads; ++h) {
        for (int i = 0; i < kVectors; ++i) {
          const F32 weight = set1(weights[h][i * kBlocks / kVectors][p - s.first]);
          acc[h][i] = fma(weight, values[i], acc[h][i]);
        }
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
  switch (task.kv_type) {
    case KvType::kF16:
      return attend<KvType::kF16, kAttentionHeads>(task, 0);
    case KvType::kF32:
      return attend<KvType::kF32, kAttentionHeads>(task, 0);
    case KvType::kQ8_0:
      return attend<KvType::kQ8_0, kAttentionHeads>(task, 0);
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
