// Matrix products. A lane owns an output row, so an element is accumulated in the order of the contract
// whatever the width of the vectors and the number of tokens of a tile. Included inside the namespace of a
// level.

/// How products of several tokens ask for the next tile's weights (a single strip on AMX has a way of its
/// own).
enum class FetchAhead : uint8_t {
  kNextTile,       // as many bytes in one piece
  kEachNextGroup,  // this block of each of its groups: several streams; of long groups what follows soon
};

/// One product: what matmul() was called with.
struct Product {
  const PackedMatrix& w;
  const Activations& x;
  float* y;
  int64_t y_stride;
  int first_group;  // whose outputs y begins with
  FetchAhead fetch;

  [[nodiscard]] const std::byte* group(int g) const {
    return w.bytes.get() + static_cast<size_t>(g) * w.group_bytes;
  }
  void store(int g, int token, F32 sums) const {  // rows beyond n_rows are left alone
    const int left = w.n_rows - g * kLanes;
    store_up_to(y + token * y_stride + (g - first_group) * kLanes, sums, left < kLanes ? left : kLanes);
  }
};

/// The groups of a tile: first, first + step, ...
struct TileGroups {
  int first;
  int step = 1;

  int operator[](int g) const { return first + g * step; }
};

/// A planted mistake, off but in the build that shows that the tests of bits would find one.
#ifdef PELLUCID_BREAK_ORDER
constexpr bool kBreakOrder = true;
#else
constexpr bool kBreakOrder = false;
#endif

/// Block `block` of a tile's groups.
template <PackedFormat kFormat, bool kIsStream = false>
[[gnu::always_inline]] inline PackedBlock<kFormat, kIsStream> packed_block(const Product& p,
                                                                           const TileGroups& groups,
                                                                           int block) {
  return {p.group(groups.first), static_cast<size_t>(groups.step) * p.w.group_bytes,
          block_place(kFormat, static_cast<size_t>(block))};
}

/// A pointer of which the compiler knows no more than its value. It would keep many addresses instead of one,
/// where registers are few in vector registers, from where to fetch one takes as long as a product.
template <typename T>
[[gnu::always_inline]] inline T* opaque(T* p) {
  __asm__("" : "+r"(p));
  return p;
}

/// Asks for n bytes.
[[gnu::always_inline]] inline void fetch(const std::byte* bytes, size_t n) {
  bytes = opaque(bytes);
  for (size_t i = 0; i < n; i += kLineBytes) __builtin_prefetch(bytes + i, 0, 2);
}

constexpr size_t kLongGroup = 16384;  // bytes: longer ones are streams that a processor follows itself

/// Asks for as many bytes of the next tile as a block takes. With several tokens a block costs more
/// arithmetic than a processor looks ahead, and the streams of its groups are too short for it to guess.
template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void fetch_ahead(const Product& p, int group, int block) {
  constexpr size_t n = block_bytes(kFormat);
  const auto at = static_cast<size_t>(block) * n;
  if (p.fetch == FetchAhead::kNextTile) {
    const int next = std::min(group + kGroups, p.w.n_groups() - kGroups);
    fetch(p.group(next) + at * kGroups, kGroups * n);
  } else {  // beyond the last one lies the matrix that is read next
    const size_t ahead = at + (p.w.group_bytes > kLongGroup ? kStreamAhead : p.w.group_bytes);
    const size_t past_others = ahead < p.w.group_bytes ? 0 : (kGroups - 1) * p.w.group_bytes;
    const std::byte* next = p.group(group) + ahead + past_others;
    for (int g = 0; g < kGroups; ++g) fetch(next + static_cast<size_t>(g) * p.w.group_bytes, n);
  }
}

/// Block `block` of the kTokens tokens of a tile.
template <PackedFormat kFormat, int kGroups, int kTokens, int kStrip>
[[gnu::always_inline]] inline void add_tokens(const Product& p, const TileGroups& groups, int block,
                                              const StripPlace& place, F32* acc) {
  constexpr bool kOne = kTokens == 1;
  const QuantizedRows& x = p.x.quantized;
  constexpr bool kIsStream = kOne && kGroups == kStreams && kStreamAhead != 0;
  using Block = std::conditional_t<kOne, PackedBlock<kFormat, kIsStream>, KeptBlock<kFormat, kGroups>>;
  Block w(packed_block<kFormat, kIsStream>(p, groups, block));
  if constexpr (!kOne) fetch_ahead<kFormat, kGroups>(p, groups.first, block);
  BlockInput inputs[kTokens];
  for (int t = 0; t < kTokens; ++t) inputs[t] = block_input(x, place, block, t);
  add_block<kFormat, kStrip, kTokens, kGroups>(w, inputs, acc);
}

/// kTokens tokens of the strip of kStrip that begins with the batch's `strip`, from its token `first` on.
template <PackedFormat kFormat, int kGroups, int kTokens, int kStrip>
void quantized_tile(const Product& p, const TileGroups& groups, int strip, int first) {
  static_assert(kTokens > 1 || kStrip == 1);
  const int n_blocks = p.w.n_cols / kBlockValues;
  const StripPlace place(strip, first, kStrip, n_blocks);
  F32 acc[kGroups * kTokens];
  for (F32& a : acc) a = set1(0.0F);
  for (int i = 0; i < n_blocks; ++i) {
    const int block = kBreakOrder && kTokens == 1 ? n_blocks - 1 - i : i;
    add_tokens<kFormat, kGroups, kTokens, kStrip>(p, groups, block, place, acc);
  }
  for (int g = 0; g < kGroups; ++g) {
    for (int t = 0; t < kTokens; ++t) p.store(groups[g], strip + first + t, acc[g * kTokens + t]);
  }
}

/// Calls tile(count, groups) for tiles that together are `groups`. `count`, their number as a type, is
/// kStreams with one token, where there are as many runs, else kGroups side by side while there are as many.
template <int kTokens, int kGroups, typename Tile>
[[gnu::always_inline]] inline void for_group_tiles(const Groups& groups, const Tile& tile) {
  const std::integral_constant<int, 1> one;
  if constexpr (kTokens == 1 && kStreams > 1) {
    if (groups.n_runs == kStreams) {
      const std::integral_constant<int, kStreams> streams;
      for (int g = groups.begin; g < groups.end; ++g) tile(streams, TileGroups{g, groups.stride});
      return;
    }
  }
  const std::integral_constant<int, kTokens == 1 ? 1 : kGroups> several;
  for (int run = 0; run < groups.n_runs; ++run) {
    int g = groups.begin + run * groups.stride;
    const int end = groups.end + run * groups.stride;
    for (; g + several <= end; g += several) tile(several, TileGroups{g});
    for (; g < end; ++g) tile(one, TileGroups{g});
  }
}

/// The tokens from `token` on in strips of kStrip while there are as many, then of half as many.
template <PackedFormat kFormat, int kStrip>
void multiply_quantized(const Product& p, const Groups& groups, int token) {
  constexpr int kTokens = kStrip < kDotTokens ? kStrip : kDotTokens;
  for (; token + kStrip <= p.x.n_tokens; token += kStrip) {
    for (int first = 0; first < kStrip; first += kTokens) {
      for_group_tiles<kTokens, kDotGroups>(groups, [&](auto count, const TileGroups& tile) {
        quantized_tile<kFormat, count, kTokens, kStrip>(p, tile, token, first);
      });
    }
  }
  if constexpr (kStrip > 1) multiply_quantized<kFormat, kStrip / 2>(p, groups, token);
}

template <PackedFormat kFormat>
inline F32 float_weights(const std::byte* p) {
  if constexpr (kFormat == PackedFormat::kF32) {
    return load(reinterpret_cast<const float*>(p));
  } else if constexpr (kFormat == PackedFormat::kF16) {
    return load_half(p);
  } else {
    return from_bits(shift_left<16>(load_words(p)));
  }
}

template <PackedFormat kFormat, int kGroups, int kTokens>
void float_tile(const Product& p, const TileGroups& groups, int token) {
  constexpr size_t kStep = kLanes * (kFormat == PackedFormat::kF32 ? 4 : 2);
  const int n_cols = p.w.n_cols;
  const std::byte* weights = p.group(groups.first);
  const size_t step_bytes = static_cast<size_t>(groups.step) * p.w.group_bytes;
  const float* values = p.x.floats + int64_t{token} * n_cols;
  F32 acc[kGroups][kTokens];
#pragma GCC unroll 4
  for (auto& row : acc) {
#pragma GCC unroll 4
    for (F32& a : row) a = set1(0.0F);
  }
  for (int k = 0; k < n_cols; ++k, weights += kStep) {
    F32 columns[kGroups];
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g)
      columns[g] = float_weights<kFormat>(weights + static_cast<size_t>(g) * step_bytes);
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) {
      const F32 value = set1(values[int64_t{t} * n_cols + k]);
#pragma GCC unroll 4
      for (int g = 0; g < kGroups; ++g) acc[g][t] = fma(columns[g], value, acc[g][t]);
    }
  }
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) p.store(groups[g], token + t, acc[g][t]);
  }
}

/// The same of float weights.
template <PackedFormat kFormat, int kTokens = kFloatTokens>
void multiply_floats(const Product& p, const Groups& groups, int token = 0) {
  for (; token + kTokens <= p.x.n_tokens; token += kTokens) {
    for_group_tiles<kTokens, kFloatGroups>(groups, [&](auto count, const TileGroups& tile) {
      float_tile<kFormat, count, kTokens>(p, tile, token);
    });
  }
  if constexpr (kTokens > 1) multiply_floats<kFormat, kTokens / 2>(p, groups, token);
}

template <PackedFormat kFormat>
void multiply(const Product& p, const Groups& groups) {
  if constexpr (format_row(kFormat).code_bits == 0) {
    multiply_floats<kFormat>(p, groups);
  } else {
    int token = 0;
    if constexpr (kStripLayout == StripLayout::kTiles) token = multiply_tiles<kFormat>(p, groups);
    if constexpr (kHasStrips) token = multiply_strips<kFormat>(p, groups, token);
    multiply_quantized<kFormat, kHasStrips ? 4 : 8>(p, groups, token);
  }
}

template <FetchAhead kFetch>
void matmul(const PackedMatrix& w, const Activations& x, float* y, int64_t y_stride, const Groups& groups) {
  using enum PackedFormat;
  const Product product{w, x, y, y_stride, groups.begin, kFetch};
  switch (w.format) {
    case kF32:
      return multiply<kF32>(product, groups);
    case kF16:
      return multiply<kF16>(product, groups);
    case kBF16:
      return multiply<kBF16>(product, groups);
    case kQ4_0:
      return multiply<kQ4_0>(product, groups);
    case kQ4_1:
      return multiply<kQ4_1>(product, groups);
    case kQ5_0:
      return multiply<kQ5_0>(product, groups);
    case kQ5_1:
      return multiply<kQ5_1>(product, groups);
    case kQ8_0:
      return multiply<kQ8_0>(product, groups);
    case kQ2_K:
      return multiply<kQ2_K>(product, groups);
    case kQ3_K:
      return multiply<kQ3_K>(product, groups);
    case kQ4_K:
      return multiply<kQ4_K>(product, groups);
    case kQ5_K:
      return multiply<kQ5_K>(product, groups);
    case kQ6_K:
      return multiply<kQ6_K>(product, groups);
    case kIQ4_NL:
      return multiply<kIQ4_NL>(product, groups);
  }
}
