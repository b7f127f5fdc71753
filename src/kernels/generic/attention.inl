// Exact attention over paged keys and values. Included inside the namespace of a level.

/// 16 elements of one half of a page: of its keys or of its values. kQ8_0: without their scales.
template <KvType kType>
inline F32 load_kv(const std::byte* half, int64_t index) {
  if constexpr (kType == KvType::kF16) {
    return load_half(half + index * 2);
  } else if constexpr (kType == KvType::kF32) {
    return in_register(load(reinterpret_cast<const float*>(half) + index));
  } else {
    return to_float(load_int8(half + index));
  }
}

/// Where a page has the key of a slot at column d; those of the 16 slots of a piece lie side by side.
constexpr int64_t key_place(int head_dim, int d, int slot) {
  return int64_t{slot / kLanes * kLanes} * head_dim + int64_t{d} * kLanes + slot % kLanes;
}

/// Where a kQ8_0 half has the scale of a block of columns at a slot.
constexpr int64_t scale_place(int head_dim, int block, int slot) {
  return int64_t{kPagePositions} * head_dim + (int64_t{kPagePositions} * block + slot) * 2;
}

/// The largest magnitude of a block, found among the bit patterns, where infinity and NaN are the largest.
inline float block_magnitude(const float* x) {
  const int32_t largest = maximum(max(bits(absolute(load(x))), bits(absolute(load(x + kLanes)))));
  float magnitude;
  __builtin_memcpy(&magnitude, &largest, sizeof(magnitude));
  return magnitude;
}

/// Block `block` of a key or value x: its codes, and its scale at its place in the half of a page.
inline void quantize_kv(const float* x, int head_dim, int block, int slot, std::byte* half,
                        int8_t (&codes)[kBlockValues]) {
  x += int64_t{block} * kBlockValues;
  uint16_t scales[kLanes];
  store_half(scales, set1(block_magnitude(x)) / set1(127.0F));
  const F32 scale = load_half(scales);
  store_bytes(codes, nearest_integer(limit(load(x) / scale, 127.0F)));
  store_bytes(codes + kLanes, nearest_integer(limit(load(x + kLanes) / scale, 127.0F)));
  __builtin_memcpy(half + scale_place(head_dim, block, slot), scales, sizeof(scales[0]));
}

inline void store_int8_kv(const float* k, const float* v, int head_dim, int slot, std::byte* keys,
                          std::byte* values) {
  int8_t codes[kBlockValues];
  for (int b = 0; b < head_dim / kBlockValues; ++b) {
    quantize_kv(k, head_dim, b, slot, keys, codes);
    for (int i = 0; i < kBlockValues; ++i) {
      keys[key_place(head_dim, b * kBlockValues + i, slot)] = static_cast<std::byte>(codes[i]);
    }
    quantize_kv(v, head_dim, b, slot, values, codes);
    __builtin_memcpy(values + int64_t{slot} * head_dim + b * kBlockValues, codes, sizeof(codes));
  }
}

/// Element: uint16_t, the bits of a float16, or float.
template <typename Element>
inline void store_float_kv(const float* k, const float* v, int head_dim, int slot, std::byte* keys,
                           std::byte* values) {
  const auto put = [](Element* to, F32 x) {
    if constexpr (sizeof(Element) == 2) {
      store_half(to, x);
    } else {
      store(to, x);
    }
  };
  auto* column = reinterpret_cast<Element*>(keys) + key_place(head_dim, 0, slot);
  auto* row = reinterpret_cast<Element*>(values) + int64_t{slot} * head_dim;
  for (int d = 0; d < head_dim; d += kLanes) {
    Element key[kLanes];
    put(key, load(k + d));
    for (int i = 0; i < kLanes; ++i) column[key_place(head_dim, d + i, 0)] = key[i];
    put(row + d, load(v + d));
  }
}

inline void store_kv(const float* k, const float* v, int head_dim, KvType type, int slot, std::byte* page) {
  std::byte* values = page + kv_page_bytes(type, head_dim) / 2;
  switch (type) {
    case KvType::kF16:
      return store_float_kv<uint16_t>(k, v, head_dim, slot, page, values);
    case KvType::kF32:
      return store_float_kv<float>(k, v, head_dim, slot, page, values);
    case KvType::kQ8_0:
      return store_int8_kv(k, v, head_dim, slot, page, values);
  }
}

/// kHeads heads of a task over the positions [begin, end) of one span. Products with keys, then weights, are
/// kept from `first` on, the first position of the first page.
template <KvType kType, int kHeads>
struct SpanOfHeads {
  const AttentionTask& task;
  int head;  // the first one
  int begin, end;
  KvPages next;  // pages that are read after this span, by all heads
  int n_next;
  float (*scores)[kSpanPositions];  // [kHeads]
  int first = begin / kPagePositions * kPagePositions;

  [[nodiscard]] int64_t half_bytes() const { return kv_page_bytes(kType, task.head_dim) / 2; }
  [[nodiscard]] const std::byte* keys(int position) const { return task.pages[position / kPagePositions]; }
  [[nodiscard]] const std::byte* values(int position) const { return keys(position) + half_bytes(); }
  /// Where the page of a position stands in this span.
  [[nodiscard]] int page(int position) const { return (position - first) / kPagePositions; }
};

/// What tiles of kVectors * 16 elements a step ask for while they are multiplied: the tiles of all heads over
/// half a page share as many bytes of the next span, so that memory is read as evenly as a processor
/// multiplies. They are the same half of the page that stands as far behind; or a part of the same half of
/// each of kAheadPages pages in turns, where memory delivers several streams faster than one.
template <int kVectors, KvType kType>
class Ahead {
 public:
  /// n_tiles of n_steps over each half.
  template <int kHeads>
  Ahead(const SpanOfHeads<kType, kHeads>& s, int n_tiles, int n_steps)
      : next_(s.next),
        n_next_(s.n_next),
        half_bytes_(s.half_bytes()),
        first_tile_(s.head / kAttentionHeads * n_tiles),
        tile_bytes_(half_bytes_ / (n_tiles * ((s.task.n_heads + kAttentionHeads - 1) / kAttentionHeads))),
        step_bytes_(tile_bytes_ / n_steps) {}

  /// A tile over the half, `offset` bytes into it, of the span's page `page`.
  void start(int page, int64_t offset, int tile) {
    const int64_t done = (first_tile_ + tile) * tile_bytes_;
    if (kAheadPages == 1 || n_next_ < kAheadPages) {
      const std::byte* at = next_[page < n_next_ ? page : n_next_ - 1] + offset + done;
      for (int i = 0; i < kAheadPages; ++i) at_[i] = at + i * step_bytes_;
      turn_bytes_ = kAheadPages * step_bytes_;
    } else {
      for (int i = 0; i < kAheadPages; ++i) {
        at_[i] = next_[i] + offset + (page * half_bytes_ + done) / kAheadPages;
      }
      turn_bytes_ = step_bytes_;
    }
  }
  void step() {
    constexpr int kBytes = kVectors * kLanes * (kType == KvType::kF32 ? 4 : kType == KvType::kF16 ? 2 : 1);
    const std::byte* at = at_[0];
    for (int i = 0; i < kBytes; i += kLineBytes) __builtin_prefetch(at + i, 0, 2);
    for (int i = 0; i + 1 < kAheadPages; ++i) at_[i] = at_[i + 1];
    at_[kAheadPages - 1] = at + turn_bytes_;
  }

 private:
  KvPages next_;
  int n_next_;
  int64_t half_bytes_;
  int64_t first_tile_;
  int64_t tile_bytes_;
  int64_t step_bytes_;
  int64_t turn_bytes_ = 0;
  const std::byte* at_[kAheadPages] = {};
};

/// acc[h][i] += factor(h) times the elements of vector i, `stride` elements after those of the one before, in
/// an order that keeps the fewest vectors alive. Where GCC is not told to unroll what takes a tile's sums, it
/// does so too late to keep them in registers on NEON.
template <KvType kType, int kVectors, int kHeads, typename Factor>
inline void multiply_step(const std::byte* half, int64_t index, int64_t stride, const Factor& factor,
                          F32 (&acc)[kHeads][kVectors]) {
  if constexpr (kHeads < 2 * kVectors) {
    F32 factors[kHeads];
#pragma GCC unroll 4
    for (int h = 0; h < kHeads; ++h) factors[h] = factor(h);
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      const F32 elements = load_kv<kType>(half, index + i * stride);
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) acc[h][i] = fma(factors[h], elements, acc[h][i]);
    }
  } else {
    F32 elements[kVectors];
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) elements[i] = load_kv<kType>(half, index + i * stride);
#pragma GCC unroll 4
    for (int h = 0; h < kHeads; ++h) {
      const F32 one = factor(h);
#pragma GCC unroll 4
      for (int i = 0; i < kVectors; ++i) acc[h][i] = fma(one, elements[i], acc[h][i]);
    }
  }
}

template <int kVectors, int kHeads>
inline void clear(F32 (&acc)[kHeads][kVectors]) {
#pragma GCC unroll 4
  for (int h = 0; h < kHeads; ++h) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) acc[h][i] = set1(0.0F);
  }
}

/// Products of all heads with kVectors * 16 positions from `lane` on of one page: a chain over the columns
/// [begin, end) each.
template <int kVectors, KvType kType, int kHeads>
inline void multiply_keys(const SpanOfHeads<kType, kHeads>& s, const std::byte* page, int lane, int begin,
                          int end, Ahead<kVectors, kType>& ahead, F32 (&acc)[kHeads][kVectors]) {
  const float* q = s.task.q + int64_t{s.head} * s.task.head_dim;
  clear(acc);
  for (int d = begin; d < end; ++d) {
    ahead.step();
    multiply_step<kType>(
        page, key_place(s.task.head_dim, d, lane), key_place(s.task.head_dim, 0, kLanes),
        [&](int h) { return set1(q[int64_t{h} * s.task.head_dim + d]); }, acc);
  }
}

/// Products of all heads with the same positions, from `position` on.
template <int kVectors, KvType kType, int kHeads>
inline void score_tile(const SpanOfHeads<kType, kHeads>& s, int position, Ahead<kVectors, kType>& ahead) {
  const int head_dim = s.task.head_dim;
  const int lane = position % kPagePositions;
  const std::byte* page = s.keys(position);
  ahead.start(s.page(position), 0, lane / (kVectors * kLanes));
  F32 acc[kHeads][kVectors];
  if constexpr (kType != KvType::kQ8_0) {
    multiply_keys(s, page, lane, 0, head_dim, ahead, acc);
  } else {
    clear(acc);
    for (int b = 0; b < head_dim / kBlockValues; ++b) {
      F32 block[kHeads][kVectors];
      multiply_keys(s, page, lane, b * kBlockValues, (b + 1) * kBlockValues, ahead, block);
      for (int i = 0; i < kVectors; ++i) {
        const F32 scale = load_half(page + scale_place(head_dim, b, lane + i * kLanes));
        for (int h = 0; h < kHeads; ++h) acc[h][i] = fma(scale, block[h][i], acc[h][i]);
      }
    }
  }
#pragma GCC unroll 4
  for (int h = 0; h < kHeads; ++h) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      store(s.scores[h] + position - s.first + i * kLanes, acc[h][i]);
    }
  }
}

/// Tiles of kVectors * 16 positions from `position` on while more than half of one is visible, then of half
/// as many.
template <int kVectors, KvType kType, int kHeads>
inline void score_tiles(const SpanOfHeads<kType, kHeads>& s, int position) {
  constexpr int kTilePositions = kVectors * kLanes;
  constexpr int kLeast = kVectors == 1 ? 0 : kTilePositions / 2;
  Ahead<kVectors, kType> ahead(s, kPagePositions / kTilePositions, s.task.head_dim);
  for (; s.end - position > kLeast; position += kTilePositions) score_tile(s, position, ahead);
  if constexpr (kVectors > 1) score_tiles<kVectors / 2>(s, position);
}

template <KvType kType, int kHeads>
inline void score(const SpanOfHeads<kType, kHeads>& s) {
  score_tiles<attention_vectors(kHeads)>(s, s.first);
}

/// e^(score - maximum), and 0 where that is below 2^-100, too little to be seen beside the weight 1 of the
/// largest score. So neither a weight nor its product with a float16 is a subnormal number, for which Intel's
/// processors take a hundred cycles and more.
inline F32 weight_of(F32 below) {
  const F32 least = set1(-69.0F);
  return if_less(below, least, set1(0.0F), exp_of_normal(max(least, below)));
}

/// Products of one head with keys to weights e^(score - maximum), 0 outside [begin, end); their sum in 16
/// lanes and one tree.
inline AttentionPart softmax(float* scores, float scale, int begin, int end) {
  const F32 outside = set1(-__builtin_inff());
  F32 largest = outside;
  for (int i = 0; i < end; i += kLanes) {
    F32 visible = load(scores + i) * set1(scale);
    if (i < begin || i + kLanes > end) visible = keep_lanes(visible, begin - i, end - i, outside);
    store(scores + i, visible);
    largest = max(visible, largest);
  }
  const float most = maximum(largest);
  F32 total = set1(0.0F);
  for (int i = 0; i < end; i += kLanes) {
    const F32 weight = weight_of(load(scores + i) - set1(most));
    store(scores + i, weight);
    total = total + weight;
  }
  return {most, sum(total)};
}

/// What joining two spans multiplies them by: e^(maximum - larger maximum) of each.
struct JoinFactors {
  float before, next;
};

inline JoinFactors join_factors(float before, float next) {
  const float larger = before > next ? before : next;
  alignas(64) float factors[kLanes] = {before - larger, next - larger};
  store(factors, weight_of(load(factors)));
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

/// Sums of values times `weights`, kVectors * 16 columns of each head from `column` on: a chain over the
/// visible positions each. `finish(h, column, sums)` takes them.
template <int kVectors, KvType kType, int kHeads, typename Finish>
inline void value_tile(const SpanOfHeads<kType, kHeads>& s, const float (*weights)[kSpanPositions],
                       int column, const Finish& finish) {
  constexpr int kTileColumns = kVectors * kLanes;
  const int head_dim = s.task.head_dim;
  Ahead<kVectors, kType> ahead(s, (head_dim + kTileColumns - 1) / kTileColumns, kPagePositions);
  F32 acc[kHeads][kVectors];
  clear(acc);
  for (int p = s.begin; p < s.end;) {
    const int page = p / kPagePositions * kPagePositions;
    const int end = page + kPagePositions < s.end ? page + kPagePositions : s.end;
    const std::byte* values = s.values(page);
    ahead.start(s.page(page), s.half_bytes(), column / kTileColumns);
    for (; p < end; ++p) {
      ahead.step();
      multiply_step<kType>(
          values, int64_t{head_dim} * (p - page) + column, kLanes,
          [&](int h) { return set1(weights[h][p - s.first]); }, acc);
    }
  }
#pragma GCC unroll 4
  for (int h = 0; h < kHeads; ++h) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) finish(h, column + i * kLanes, acc[h][i]);
  }
}

/// The same of the columns [begin, end).
template <int kVectors, KvType kType, int kHeads, typename Finish>
inline void mix_columns(const SpanOfHeads<kType, kHeads>& s, const float (*weights)[kSpanPositions],
                        int begin, int end, const Finish& finish) {
  int column = begin;
  for (; column + kVectors * kLanes <= end; column += kVectors * kLanes) {
    value_tile<kVectors>(s, weights, column, finish);
  }
  for (; column < end; column += kLanes) value_tile<1>(s, weights, column, finish);
}

/// kQ8_0: by blocks of columns, each with the weights of a head times the scales of its values. Out of line,
/// for GCC spilled factors where it had the tiles of all numbers of heads in one function.
template <KvType kType, int kHeads, typename Finish>
[[gnu::noinline]] void mix_values(const SpanOfHeads<kType, kHeads>& s, const Finish& finish) {
  constexpr int kVectors = attention_vectors(kHeads);
  if constexpr (kType != KvType::kQ8_0) {
    mix_columns<kVectors>(s, s.scores, 0, s.task.head_dim, finish);
  } else {
    alignas(64) float scaled[kHeads][kSpanPositions];
    for (int b = 0; b < s.task.head_dim / kBlockValues; ++b) {
      for (int p = s.first; p < s.end; p += kLanes) {
        const F32 scales = load_half(s.values(p) + scale_place(s.task.head_dim, b, p % kPagePositions));
        for (int h = 0; h < kHeads; ++h) {
          store(scaled[h] + p - s.first, load(s.scores[h] + p - s.first) * scales);
        }
      }
      mix_columns<kVectors == 1 ? 1 : 2>(s, scaled, b * kBlockValues, (b + 1) * kBlockValues, finish);
    }
  }
}

/// One span of kHeads heads, joined to the spans before it unless it is the first of the task.
template <KvType kType, int kHeads>
void attend_span(const SpanOfHeads<kType, kHeads>& s) {
  const bool is_first = s.begin == s.task.begin;
  score(s);
  JoinFactors factors[kHeads];
  for (int h = 0; h < kHeads; ++h) {
    const AttentionPart of_span = softmax(s.scores[h], s.task.scale, s.begin - s.first, s.end - s.first);
    AttentionPart& part = s.task.parts[s.head + h];
    if (is_first) {
      part = of_span;
    } else {
      factors[h] = join_weights(part.maximum, part.total, of_span.maximum, of_span.total);
    }
  }
  mix_values(s, [&](int h, int column, F32 sums) {
    float* out = s.task.out + int64_t{s.head + h} * s.task.head_dim + column;
    store(out, is_first ? sums : join_values(load(out), sums, factors[h]));
  });
}

/// Calls body<kHeads>(head) for all heads: kHeads at a time while there are as many, then one fewer.
template <int kHeads = kAttentionHeads, typename Body>
inline void by_heads(int n_heads, const Body& body, int head = 0) {
  for (; head + kHeads <= n_heads; head += kHeads) body.template operator()<kHeads>(head);
  if constexpr (kHeads > 1) by_heads<kHeads - 1>(n_heads, body, head);
}

/// Asks for these pages, keys and values side by side; of a single one for n_positions.
inline void ask_for(const KvPages& pages, int n_pages, int n_positions, int64_t half_bytes) {
  const int whole = (n_positions + kLanes - 1) / kLanes * kLanes;  // keys come in pieces
  const int64_t bytes =
      n_pages > 1 || whole > kPagePositions ? half_bytes : half_bytes / kPagePositions * whole;
  for (int64_t at = 0; at < bytes; at += kLineBytes) {
    for (int p = 0; p < n_pages; ++p) {
      fetch_here(pages[p] + at);
      fetch_here(pages[p] + half_bytes + at);
    }
  }
}

/// All heads of a span before the next one, whose pages they ask for. The last asks for those of the next
/// task.
template <KvType kType>
void attend(const AttentionTask& task) {
  const int n_pages = (task.end + kPagePositions - 1) / kPagePositions;
  if (kAheadPages > 1 && !task.is_asked_for) {
    const int first = task.begin / kPagePositions;
    const int last = (task.begin / kSpanPositions + 1) * kSpanPositions / kPagePositions;
    const int end = last < n_pages ? last : n_pages;
    ask_for(task.pages.from(first), end - first, task.end - first * kPagePositions,
            kv_page_bytes(kType, task.head_dim) / 2);
  }
  for (int begin = task.begin; begin < task.end;) {
    const int span_end = (begin / kSpanPositions + 1) * kSpanPositions;
    const int end = span_end < task.end ? span_end : task.end;
    const bool is_last = end == task.end && task.n_next != 0;
    const int next_page = (end < task.end ? end : begin) / kPagePositions;
    const KvPages after = is_last ? task.next : task.pages.from(next_page);
    const int n_after = is_last ? task.n_next : n_pages - next_page;
    by_heads(task.n_heads, [&]<int kHeads>(int head) {
      alignas(64) float scores[kHeads][kSpanPositions];
      attend_span(SpanOfHeads<kType, kHeads>{task, head, begin, end, after, n_after, scores});
    });
    begin = end;
  }
}

void attention(const AttentionTask& task) {
  switch (task.kv_type) {
    case KvType::kF16:
      return attend<KvType::kF16>(task);
    case KvType::kF32:
      return attend<KvType::kF32>(task);
    case KvType::kQ8_0:
      return attend<KvType::kQ8_0>(task);
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
