// Exact attention of consecutive tokens of a sequence, each sum in the order of attention.inl. Keys and
// values are made float once for all of them, a piece at a time, which stays in the first cache meanwhile.

constexpr int kPieceColumns = 64;                // of keys or values
static_assert(kPieceColumns == kPagePositions);  // rows of a piece are as long either way
struct Piece {
  alignas(64) float at[kPagePositions * kPieceColumns];
};

/// n_rows rows of n_cols elements of one half of a page, 16 elements from place(row, column) on.
template <KvType kType, typename Place>
inline void widen(const std::byte* half, int n_rows, int n_cols, Piece& piece, const Place& place) {
  for (int r = 0; r < n_rows; ++r) {
    for (int c = 0; c < n_cols; c += kLanes) {
      store(piece.at + r * kPieceColumns + c, load_kv<kType>(half, place(r, c)));
    }
  }
}

struct Positions {
  int begin, end;
};
inline Positions common(Positions a, Positions b) {
  return {a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
}

/// What token t of a run sees.
inline Positions seen_by(const AttentionRun& run, int t) {
  const int end = run.position + t + 1;
  return {run.window == 0 || end < run.window ? 0 : end - run.window, end};
}

/// The output of a row: the rows of a run are the heads of the first token, then those of the next one.
inline float* output(const AttentionRun& run, int row) {
  return run.out + row / run.n_heads * run.stride + int64_t{row % run.n_heads} * run.head_dim;
}

/// A run over one span of positions.
struct SpanOfRun {
  const AttentionRun& run;
  int start;                                  // its first position
  float (&scores)[kRunRows][kSpanPositions];  // products with keys, then weights

  [[nodiscard]] int n_rows() const { return run.n_tokens * run.n_heads; }
  /// The columns of a piece from `first` on.
  [[nodiscard]] int columns(int first) const {
    return run.head_dim - first < kPieceColumns ? run.head_dim - first : kPieceColumns;
  }
  /// What token t sees of this span; nothing where it ends before it begins.
  [[nodiscard]] Positions seen(int t) const {
    return common({start, start + kSpanPositions}, seen_by(run, t));
  }
  [[nodiscard]] bool is_first_of(int t) const { return seen_by(run, t).begin >= start; }
  /// Calls body(first position, keys, values) for each page that some token sees.
  template <typename Body>
  void for_pages(const Body& body) const {
    const int end = seen(run.n_tokens - 1).end;
    for (int p = seen(0).begin / kPagePositions * kPagePositions; p < end; p += kPagePositions) {
      const std::byte* page = run.pages[p / kPagePositions];
      body(p, page, page + kv_page_bytes(run.kv_type, run.head_dim) / 2);
    }
  }
  /// Calls body(t, slots) for each token that sees some of the page that begins at p.
  template <typename Body>
  void for_tokens(int p, const Body& body) const {
    for (int t = 0; t < run.n_tokens; ++t) {
      const Positions slots = common(seen(t), {p, p + kPagePositions});
      if (slots.begin < slots.end) body(t, Positions{slots.begin - p, slots.end - p});
    }
  }
};

/// The sums of a tile begin or go on: acc[h][i] is kept at sums[h * stride + i * 16].
template <int kHeads, int kVectors, typename Steps>
inline void go_on(bool begins, float* sums, int64_t stride, const Steps& steps) {
  F32 acc[kHeads][kVectors];
#pragma GCC unroll 4
  for (int h = 0; h < kHeads; ++h) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      acc[h][i] = begins ? set1(0.0F) : load(sums + h * stride + i * kLanes);
    }
  }
  steps(acc);
#pragma GCC unroll 4
  for (int h = 0; h < kHeads; ++h) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) store(sums + h * stride + i * kLanes, acc[h][i]);
  }
}

/// Products of kHeads heads with the first n_positions of a page: their chains over n_cols columns more. q:
/// the first of these columns.
template <int kHeads>
inline void score_piece(bool begins, const Piece& keys, int n_cols, int n_positions, const float* q,
                        int head_dim, float* scores) {
  constexpr int kVectors = attention_vectors(kHeads);
  const auto* at = reinterpret_cast<const std::byte*>(keys.at);
  for (int lane = 0; lane < n_positions; lane += kVectors * kLanes) {
    go_on<kHeads, kVectors>(begins, scores + lane, kSpanPositions, [&](F32(&acc)[kHeads][kVectors]) {
      for (int d = 0; d < n_cols; ++d) {
        multiply_step<KvType::kF32>(
            at, d * kPagePositions + lane, kLanes, [&](int h) { return set1(q[int64_t{h} * head_dim + d]); },
            acc);
      }
    });
  }
}

template <KvType kType>
void score(const SpanOfRun& s) {
  const AttentionRun& run = s.run;
  Piece keys;
  s.for_pages([&](int p, const std::byte* half, const std::byte*) {
    for (int d = 0; d < run.head_dim; d += kPieceColumns) {
      widen<kType>(half, s.columns(d), kPagePositions, keys,
                   [&](int row, int lane) { return key_place(run.head_dim, d + row, lane); });
      s.for_tokens(p, [&](int t, Positions slots) {
        by_heads(run.n_heads, [&]<int kHeads>(int head) {
          const float* q = run.q + t * run.stride + int64_t{head} * run.head_dim + d;
          score_piece<kHeads>(d == 0, keys, s.columns(d), slots.end, q, run.head_dim,
                              s.scores[t * run.n_heads + head] + p - s.start);
        });
      });
    }
  });
}

/// Scores to weights. Joins them to those of the spans before, by factors[row].
inline void softmax(const SpanOfRun& s, AttentionPart (&parts)[kRunRows], JoinFactors (&factors)[kRunRows]) {
  for (int row = 0; row < s.n_rows(); ++row) {
    const int t = row / s.run.n_heads;
    const Positions seen = s.seen(t);
    if (seen.begin >= seen.end) continue;
    const int first = seen.begin / kPagePositions * kPagePositions;
    float* scores = s.scores[row] + first - s.start;
    const AttentionPart of_span = softmax(scores, s.run.scale, seen.begin - first, seen.end - first);
    if (s.is_first_of(t)) {
      parts[row] = of_span;
    } else {
      factors[row] = join_weights(parts[row].maximum, parts[row].total, of_span.maximum, of_span.total);
    }
  }
}

/// Values of some slots of a page times the weights of kHeads heads: their chains over positions, n_cols
/// columns of each. weights: of the page's first slot.
template <int kHeads>
inline void value_piece(bool begins, const Piece& values, int n_cols, Positions slots, const float* weights,
                        float* sums) {
  const auto* at = reinterpret_cast<const std::byte*>(values.at);
  const auto tile = [&]<int kVectors>(int column) {
    go_on<kHeads, kVectors>(begins, sums + column, kPieceColumns, [&](F32(&acc)[kHeads][kVectors]) {
      for (int slot = slots.begin; slot < slots.end; ++slot) {
        multiply_step<KvType::kF32>(
            at, slot * kPieceColumns + column, kLanes,
            [&](int h) { return set1(weights[int64_t{h} * kSpanPositions + slot]); }, acc);
      }
    });
  };
  constexpr int kVectors = attention_vectors(kHeads);
  int column = 0;
  for (; column + kVectors * kLanes <= n_cols; column += kVectors * kLanes) {
    tile.template operator()<kVectors>(column);
  }
  for (; column < n_cols; column += kLanes) tile.template operator()<1>(column);
}

/// The columns of a piece, from `first` on, of all outputs.
template <KvType kType>
void mix_piece(const SpanOfRun& s, int first, const JoinFactors (&factors)[kRunRows]) {
  const AttentionRun& run = s.run;
  const int n_cols = s.columns(first);
  alignas(64) float sums[kRunRows][kPieceColumns];
  Piece values;
  s.for_pages([&](int p, const std::byte*, const std::byte* half) {
    widen<kType>(half, kPagePositions, n_cols, values,
                 [&](int row, int column) { return int64_t{row} * run.head_dim + first + column; });
    s.for_tokens(p, [&](int t, Positions slots) {
      const bool begins = p + slots.begin == s.seen(t).begin;
      by_heads(run.n_heads, [&]<int kHeads>(int head) {
        const int row = t * run.n_heads + head;
        value_piece<kHeads>(begins, values, n_cols, slots, s.scores[row] + p - s.start, sums[row]);
      });
    });
  });
  for (int row = 0; row < s.n_rows(); ++row) {
    const int t = row / run.n_heads;
    const Positions seen = s.seen(t);
    if (seen.begin >= seen.end) continue;
    float* out = output(run, row) + first;
    for (int c = 0; c < n_cols; c += kLanes) {
      const F32 sum = load(sums[row] + c);
      store(out + c, s.is_first_of(t) ? sum : join_values(load(out + c), sum, factors[row]));
    }
  }
}

template <KvType kType>
void attend_run(const AttentionRun& run) {
  AttentionPart parts[kRunRows];
  const int end = seen_by(run, run.n_tokens - 1).end;
  for (int start = seen_by(run, 0).begin / kSpanPositions * kSpanPositions; start < end;
       start += kSpanPositions) {
    alignas(64) float scores[kRunRows][kSpanPositions];
    const SpanOfRun s{run, start, scores};
    JoinFactors factors[kRunRows];
    score<kType>(s);
    softmax(s, parts, factors);
    for (int c = 0; c < run.head_dim; c += kPieceColumns) mix_piece<kType>(s, c, factors);
  }
  for (int row = 0; row < run.n_tokens * run.n_heads; ++row) {
    float* out = output(run, row);
    for (int i = 0; i < run.head_dim; i += kLanes) store(out + i, load(out + i) / set1(parts[row].total));
  }
}

void attention_run(const AttentionRun& run) {
  if (run.kv_type == KvType::kF16) attend_run<KvType::kF16>(run);
  if (run.kv_type == KvType::kF32) attend_run<KvType::kF32>(run);
}
