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

/// Where a task's scores lie: head h, position p at scores[h * stride + p - first].
struct ScoreRows {
  int first;  // the first position of the first page
  int64_t stride;
};

inline ScoreRows score_rows(const AttentionTask& task) {
  const int first = task.begin / kPagePositions * kPagePositions;
  return {first, (int64_t{task.end} - first + kPagePositions - 1) / kPagePositions * kPagePositions};
}

/// Scores of kHeads heads with kVectors * 16 positions from `lane` on of one page: a chain over head_dim
/// each.
template <KvType kType, int kHeads, int kVectors>
inline void score_tile(const AttentionTask& task, const std::byte* page, int head, int lane, float* scores,
                       int64_t stride) {
  const float* q = task.q + int64_t{head} * task.head_dim;
  F32 acc[kHeads][kVectors];
  for (auto& row : acc) {
    for (F32& a : row) a = set1(0.0F);
  }
  for (int d = 0; d < task.head_dim; ++d) {
    F32 keys[kVectors];
    for (int i = 0; i < kVectors; ++i) {
      keys[i] = load_kv<kType>(page, int64_t{d} * kPagePositions + lane + i * kLanes);
    }
    for (int h = 0; h < kHeads; ++h) {
      const F32 query = set1(q[int64_t{h} * task.head_dim + d]);
      for (int i = 0; i < kVectors; ++i) acc[h][i] = fma(query, keys[i], acc[h][i]);
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int i = 0; i < kVectors; ++i) store(scores + h * stride + i * kLanes, acc[h][i] * set1(task.scale));
  }
}

template <KvType kType, int kHeads>
void score_heads(const AttentionTask& task, const ScoreRows& rows, int head) {
  for (int p = rows.first; p < task.end; p += kPagePositions) {
    const std::byte* page = task.pages[p / kPagePositions];
    for (int lane = 0; lane < kPagePositions && p + lane < task.end; lane += kAttentionVectors * kLanes) {
      score_tile<kType, kHeads, kAttentionVectors>(
          task, page, head, lane, task.scores + head * rows.stride + p + lane - rows.first, rows.stride);
    }
  }
}

/// Scores of one head to weights e^(score - max), 0 outside [begin, end); returns their sum.
inline float softmax(const AttentionTask& task, const ScoreRows& rows, float* scores) {
  const F32 outside = set1(-__builtin_inff());
  const int n = task.end - rows.first;
  F32 largest = outside;
  for (int i = 0; i < n; i += kLanes) {
    const F32 s = keep_lanes(load(scores + i), task.begin - rows.first - i, n - i, outside);
    store(scores + i, s);
    largest = max(s, largest);
  }
  const F32 shift = set1(maximum(largest));
  F32 total = set1(0.0F);
  for (int i = 0; i < n; i += kLanes) {
    const F32 weight = exp(load(scores + i) - shift);
    store(scores + i, weight);
    total = total + weight;
  }
  return sum(total);
}

/// Outputs of kHeads heads, kVectors * 16 values from `column` on: a chain over the visible positions each.
template <KvType kType, int kHeads, int kVectors>
inline void value_tile(const AttentionTask& task, const ScoreRows& rows, int head, int column,
                       const float* totals) {
  F32 acc[kHeads][kVectors];
  for (auto& row : acc) {
    for (F32& a : row) a = set1(0.0F);
  }
  const float* weights = task.scores + head * rows.stride;
  for (int p = task.begin; p < task.end;) {
    const std::byte* page = task.pages[p / kPagePositions];
    const int page_end = (p / kPagePositions + 1) * kPagePositions;
    const int end = page_end < task.end ? page_end : task.end;
    int64_t at = int64_t{task.head_dim} * (kPagePositions + p % kPagePositions) + column;
    for (; p < end; ++p, at += task.head_dim) {
      F32 values[kVectors];
      for (int i = 0; i < kVectors; ++i) values[i] = load_kv<kType>(page, at + i * kLanes);
      for (int h = 0; h < kHeads; ++h) {
        const F32 weight = set1(weights[h * rows.stride + p - rows.first]);
        for (int i = 0; i < kVectors; ++i) acc[h][i] = fma(weight, values[i], acc[h][i]);
      }
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    float* out = task.out + int64_t{head + h} * task.head_dim + column;
    for (int i = 0; i < kVectors; ++i) store(out + i * kLanes, acc[h][i] / set1(totals[h]));
  }
}

template <KvType kType, int kHeads>
void attend_heads(const AttentionTask& task, int head) {
  const ScoreRows rows = score_rows(task);
  score_heads<kType, kHeads>(task, rows, head);
  float totals[kHeads];
  for (int h = 0; h < kHeads; ++h) totals[h] = softmax(task, rows, task.scores + (head + h) * rows.stride);
  int column = 0;
  for (; column + kAttentionVectors * kLanes <= task.head_dim; column += kAttentionVectors * kLanes) {
    value_tile<kType, kHeads, kAttentionVectors>(task, rows, head, column, totals);
  }
  for (; column < task.head_dim; column += kLanes)
    value_tile<kType, kHeads, 1>(task, rows, head, column, totals);
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
