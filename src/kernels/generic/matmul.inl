// Matrix products. A lane owns an output row, so an element is accumulated in the order of the contract
// whatever the width of the vectors and the number of tokens of a tile. Included inside the namespace of a
// level.

/// The codes of k-group kGroup of a block as unsigned bytes (IQ4_NL: the values they select, plus 128).
template <PackedFormat kFormat, int kGroup>
[[gnu::always_inline]] inline Bytes block_codes(const std::byte* planes) {
  constexpr int kBits = format_row(kFormat).code_bits;
  constexpr int kPair = 2 * (kGroup % 4);  // where a vector of 2-bit codes keeps this k-group
  constexpr int kHigh = high_plane_bytes(kBits);
  if constexpr (kBits == 8) {
    return load_bytes(planes + 64 * kGroup);
  } else if constexpr (kBits < 4) {
    const Bytes low = field<kPair, 3>(load_bytes(planes + kHigh + 64 * (kGroup / 4)));
    if constexpr (kBits == 2) return low;
    if constexpr (kBits == 3) return merge<kGroup, 2, 1>(low, load_bytes(planes));
  } else {
    const Bytes low = field<kGroup / 4 * 4, 15>(load_bytes(planes + kHigh + 64 * (kGroup % 4)));
    if constexpr (kFormat == PackedFormat::kIQ4_NL) return lookup(kIq4NlValues, low);
    if constexpr (kBits == 5) return merge<kGroup, 4, 1>(low, load_bytes(planes));
    if constexpr (kBits == 6) return merge<kPair, 4, 3>(low, load_bytes(planes + 64 * (kGroup / 4)));
    return low;
  }
}

/// The scales of one block of 16 rows.
struct BlockScales {
  F32 scale;
  F32 minimum;
  I32 first, second;       // SubScales::kHalves*: the integer sub-scales of the two halves
  I32 minimum0, minimum1;  // SubScales::kHalvesMin: their integer sub-minimums
};

template <PackedFormat kFormat>
[[gnu::always_inline]] inline BlockScales block_scales(const std::byte* halves, const std::byte* subs) {
  constexpr FormatRow kRow = format_row(kFormat);
  BlockScales s;
  s.scale = load_half(halves);
  if constexpr (kRow.has_minimum) s.minimum = load_half(halves + kLanes * 2);
  if constexpr (kRow.subs != SubScales::kNone) {
    const I32 pair = load_words(subs);
    if constexpr (kRow.subs == SubScales::kScaleMin) {
      s.scale = s.scale * to_float(pair & set1(int32_t{0xFF}));
      s.minimum = s.minimum * to_float(shift_right<8>(pair));
    } else if constexpr (kRow.subs == SubScales::kHalves) {
      s.first = shift_right<24>(shift_left<24>(pair));
      s.second = shift_right<24>(shift_left<16>(pair));
    } else {
      s.first = pair & set1(int32_t{15});
      s.second = shift_right<8>(pair) & set1(int32_t{15});
      s.minimum0 = shift_right<4>(pair) & set1(int32_t{15});
      s.minimum1 = shift_right<12>(pair);
    }
  }
  return s;
}

/// The sums of one token's integers in a block.
struct BlockSums {
  I32 all;
  I32 first;  // of the first half, where the halves are apart
};

/// The integer dot products of a block with kTokens tokens' blocks, each half of the columns apart where they
/// have scales of their own.
template <PackedFormat kFormat, int kTokens>
struct BlockDots {
  static constexpr int kOffset = format_row(kFormat).offset;
  static constexpr bool kSplit =
      format_row(kFormat).subs == SubScales::kHalves || format_row(kFormat).subs == SubScales::kHalvesMin;
  using Sum = Dot<kFormat == PackedFormat::kIQ4_NL ? 8 : format_row(kFormat).code_bits, kOffset>;

  Sum first[kTokens];
  Sum second[kSplit ? kTokens : 1];

  /// Starts from what the offset of the codes adds too much.
  [[gnu::always_inline]] void start(const BlockSums (&sums)[kTokens]) {
    for (int t = 0; t < kTokens; ++t) {
      if constexpr (kSplit) {
        first[t].start(offsets(sums[t].first));
        second[t].start(offsets(sums[t].all - sums[t].first));
      } else {
        first[t].start(offsets(sums[t].all));
      }
    }
  }

  /// k-group kGroup of token t.
  template <int kGroup>
  [[gnu::always_inline]] void add(int t, const Bytes& codes, const int8_t* x) {
    Sum& sum = kSplit && kGroup >= 4 ? second[t] : first[t];
    sum.template add<kGroup>(codes, x);
  }

  /// The integer that meets the scale.
  [[gnu::always_inline]] I32 total(int t, const BlockScales& scales) const {
    if constexpr (!kSplit) return first[t].total();
    return first[t].total() * scales.first + second[t].total() * scales.second;
  }

  /// The integer that meets the minimum.
  [[gnu::always_inline]] static I32 minimum(const BlockScales& scales, const BlockSums& sums) {
    if constexpr (!kSplit) return sums.all;
    return sums.first * scales.minimum0 + (sums.all - sums.first) * scales.minimum1;
  }

 private:
  static I32 offsets(I32 sum) {  // -kOffset, a power of two, times sum, where the dots do not have it
    if constexpr (Sum::kIncludesOffset || kOffset == 0) return set1(int32_t{0});
    return set1(int32_t{0}) - shift_left<__builtin_ctz(kOffset | 256)>(sum);
  }
};

/// Asks for the bytes kStreamAhead further on that take the place of k-group kGroup's: a line or two at a
/// time, in turns with the other streams. Many requests at once have to wait for each other.
template <PackedFormat kFormat, int kGroup>
[[gnu::always_inline]] inline void fetch_stream(const std::byte* planes) {
  constexpr size_t kLines = plane_bytes(kFormat) / kLineBytes + 1;
  for (size_t i = kGroup * kLines / 8; i < (kGroup + 1) * kLines / 8; ++i) {
    fetch_here(planes + kStreamAhead + i * kLineBytes);
  }
}

/// A block of the groups of a tile as it lies in the matrix: unpacked as it is multiplied. Streams
/// (kIsStream) ask for what follows.
template <PackedFormat kFormat, bool kIsStream = false>
struct PackedBlock {
  static constexpr bool kStream = kIsStream;

  const std::byte* first;  // of the first group
  size_t step_bytes;       // to the next one
  BlockPlace place;

  [[nodiscard]] const std::byte* group(int g) const { return first + static_cast<size_t>(g) * step_bytes; }
  template <int kGroup>
  [[nodiscard]] [[gnu::always_inline]] Bytes codes(int g) const {
    const std::byte* planes = group(g) + place.planes;
    if constexpr (kStream) fetch_stream<kFormat, kGroup>(planes);
    return block_codes<kFormat, kGroup>(planes);
  }
  [[nodiscard]] [[gnu::always_inline]] BlockScales scales(int g) const {
    return block_scales<kFormat>(group(g) + place.halves, group(g) + place.subs);
  }
};

/// Adds k-group kGroup and the following ones of a strip of kStrip tokens. Groups side by side share each
/// broadcast of x; streams take turns.
template <int kStrip, int kGroup = 0, PackedFormat kFormat, int kTokens, int kGroups, class Block>
[[gnu::always_inline]] inline void add_k_groups(BlockDots<kFormat, kTokens> (&dots)[kGroups], const Block& w,
                                                const int8_t* const (&x)[kTokens]) {
  if constexpr (Block::kStream) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      const Bytes codes = w.template codes<kGroup>(g);
      for (int t = 0; t < kTokens; ++t) dots[g].template add<kGroup>(t, codes, x[t] + 4 * kStrip * kGroup);
    }
  } else {
    Bytes codes[kGroups];
    for (int g = 0; g < kGroups; ++g) codes[g] = w.template codes<kGroup>(g);
    for (int t = 0; t < kTokens; ++t) {
      for (int g = 0; g < kGroups; ++g) {
        dots[g].template add<kGroup>(t, codes[g], x[t] + 4 * kStrip * kGroup);
      }
    }
  }
  if constexpr (kGroup + 1 < kBlockValues / 4) add_k_groups<kStrip, kGroup + 1>(dots, w, x);
}

/// One product: what matmul() was called with.
struct Product {
  const PackedMatrix& w;
  const Activations& x;
  float* y;
  int64_t y_stride;

  [[nodiscard]] const std::byte* group(int g) const {
    return w.bytes.get() + static_cast<size_t>(g) * w.group_bytes;
  }
  void store(int g, int token, F32 sums) const {  // rows beyond n_rows are left alone
    const int left = w.n_rows - g * kLanes;
    store_up_to(y + token * y_stride + g * kLanes, sums, left < kLanes ? left : kLanes);
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

/// One digit of the activations and what its scale is multiplied by.
struct CoarseDigit {
  static const QuantizedDigit& of(const QuantizedRows& x) { return x.coarse; }
  static constexpr float kScale = 1.0F;
};
struct FineDigit {
  static const QuantizedDigit& of(const QuantizedRows& x) { return x.fine; }
  static constexpr float kScale = 0x1p-8F;
};

/// A token's place in its strip: a block's one value of it is at first + block * width, its integers are at
/// 32 times the block's first and 4 times its own.
struct StripPlace {
  int64_t strip;  // the first block of the strip
  int token;      // of the strip
  int width;

  [[nodiscard]] int64_t one(int block) const { return strip + int64_t{block} * width + token; }
  [[nodiscard]] int64_t values(int block) const {
    return (strip + int64_t{block} * width) * kBlockValues + token * 4;
  }
};

/// One digit of one token of a tile, in a block.
struct BlockInput {
  const int8_t* values;
  int32_t sum, first;
  float scale;
  int token;  // of the tile
};

/// That of the `nth` token from a place on.
template <class Digit>
[[gnu::always_inline]] inline BlockInput block_input(const QuantizedRows& x, const StripPlace& place,
                                                     int block, int nth, int token) {
  const QuantizedDigit& digit = Digit::of(x);
  const int64_t one = place.one(block) + nth;
  return {digit.values + place.values(block) + int64_t{nth} * 4, digit.sums[one], digit.firsts[one],
          x.scales[one] * Digit::kScale, token};
}

/// Adds the products of a block's weights with `x`, one after the other, to the sums of a tile: of group g
/// and token t at acc[g * kTokens + t].
template <PackedFormat kFormat, int kStrip, int kTokens, int kGroups, class Block, int kCount>
[[gnu::always_inline]] inline void add_block(const Block& w, const BlockInput (&x)[kCount], F32* acc) {
  const int8_t* values[kCount];
  BlockSums sums[kCount];
  for (int i = 0; i < kCount; ++i) {
    values[i] = x[i].values;
    sums[i] = {set1(x[i].sum), set1(x[i].first)};
  }
  BlockDots<kFormat, kCount> dots[kGroups];
  for (auto& group_dots : dots) group_dots.start(sums);
  add_k_groups<kStrip>(dots, w, values);
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
    const BlockScales scales = w.scales(g);
    for (int i = 0; i < kCount; ++i) {
      const F32 scale_x = set1(x[i].scale);
      const F32 dot = to_float(dots[g].total(i, scales));
      F32& a = acc[g * kTokens + x[i].token];
      if constexpr (format_row(kFormat).has_minimum) {
        const F32 minimum = scales.minimum * to_float(dots[g].minimum(scales, sums[i]));
        a = fma(scale_x, fma(scales.scale, dot, minimum), a);
      } else {
        a = fma(scales.scale * scale_x, dot, a);
      }
    }
  }
}

template <PackedFormat kFormat, bool kIsStream = false>
[[gnu::always_inline]] inline PackedBlock<kFormat, kIsStream> packed_block(const Product& p,
                                                                           const TileGroups& groups,
                                                                           int block) {
  return {p.group(groups.first), static_cast<size_t>(groups.step) * p.w.group_bytes,
          block_place(kFormat, static_cast<size_t>(block))};
}

/// The fine digits of n tokens of a tile, kCount together while there are as many, then half as many: rare
/// enough to be kept out of line.
template <PackedFormat kFormat, int kStrip, int kTokens, int kGroups, int kCount>
[[gnu::noinline]] void add_fine(const Product& p, const TileGroups& groups, int block,
                                const StripPlace& place, const int* token, int n, F32* acc) {
  for (; n >= kCount; n -= kCount, token += kCount) {
    BlockInput x[kCount];
    for (int i = 0; i < kCount; ++i)
      x[i] = block_input<FineDigit>(p.x.quantized, place, block, token[i], token[i]);
    add_block<kFormat, kStrip, kTokens, kGroups>(packed_block<kFormat>(p, groups, block), x, acc);
  }
  if constexpr (kCount > 1) {
    if (n > 0)
      add_fine<kFormat, kStrip, kTokens, kGroups, kCount / 2>(p, groups, block, place, token, n, acc);
  }
}

/// Both digits of a tile's only token, in one pass through the codes; two groups together, for more of them
/// need more sums than there are registers.
template <PackedFormat kFormat, int kGroups>
[[gnu::noinline]] void add_both(const Product& p, const TileGroups& groups, int block,
                                const BlockInput& coarse, const BlockInput& fine, F32* acc) {
  constexpr int kTogether = kGroups < 2 ? kGroups : 2;
  static_assert(kGroups % kTogether == 0);
  const BlockInput x[2] = {coarse, fine};
  for (int g = 0; g < kGroups; g += kTogether) {
    add_block<kFormat, 1, 1, kTogether>(
        packed_block<kFormat, kStreamAhead != 0>(p, {groups[g], groups.step}, block), x, acc + g);
  }
}

/// Asks for what a block takes of the bytes of the tile after this one. With several tokens a block costs
/// more arithmetic than a processor looks ahead, and the streams of its groups are too short for it to guess.
template <int kGroups>
[[gnu::always_inline]] inline void fetch_ahead(const Product& p, int group, int block) {
  const int next = std::min(group + kGroups, p.w.n_groups() - kGroups);
  const size_t n = kGroups * (p.w.group_bytes * kBlockValues / static_cast<size_t>(p.w.n_cols));
  const std::byte* bytes = p.group(next) + static_cast<size_t>(block) * n;
  for (size_t i = 0; i < n; i += kLineBytes) __builtin_prefetch(bytes + i, 0, 2);
}

/// Block `block` of the only token of a tile.
template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void add_token(const Product& p, const TileGroups& groups, int block,
                                             const StripPlace& place, F32* acc) {
  const QuantizedRows& x = p.x.quantized;
  const BlockInput coarse[1] = {block_input<CoarseDigit>(x, place, block, 0, 0)};
  if (x.is_fine[place.one(block)] == 0) {
    add_block<kFormat, 1, 1, kGroups>(packed_block<kFormat, kStreamAhead != 0>(p, groups, block), coarse,
                                      acc);
  } else {
    add_both<kFormat, kGroups>(p, groups, block, coarse[0], block_input<FineDigit>(x, place, block, 0, 0),
                               acc);
  }
}

/// Block `block` of the kTokens tokens of a tile.
template <PackedFormat kFormat, int kGroups, int kTokens, int kStrip>
[[gnu::always_inline]] inline void add_tokens(const Product& p, const TileGroups& groups, int block,
                                              const StripPlace& place, F32* acc) {
  fetch_ahead<kGroups>(p, groups.first, block);
  BlockInput x[kTokens];
  for (int t = 0; t < kTokens; ++t) x[t] = block_input<CoarseDigit>(p.x.quantized, place, block, t, t);
  add_block<kFormat, kStrip, kTokens, kGroups>(packed_block<kFormat>(p, groups, block), x, acc);
  int fine[kTokens];
  int n_fine = 0;
  for (int t = 0; t < kTokens; ++t) {
    fine[n_fine] = t;
    n_fine += p.x.quantized.is_fine[place.one(block) + t];
  }
  constexpr int kTogether = kTokens < 4 ? kTokens : 4;
  if (n_fine != 0) {
    add_fine<kFormat, kStrip, kTokens, kGroups, kTogether>(p, groups, block, place, fine, n_fine, acc);
  }
}

/// kTokens tokens of the strip of kStrip whose first block is `strip`, from its token `first` on. `token` is
/// that of the batch.
template <PackedFormat kFormat, int kGroups, int kTokens, int kStrip>
void quantized_tile(const Product& p, const TileGroups& groups, int64_t strip, int first, int token) {
  static_assert(kTokens > 1 || kStrip == 1);
  const int n_blocks = p.w.n_cols / kBlockValues;
  const StripPlace place{strip, first, kStrip};
  F32 acc[kGroups * kTokens];
  for (F32& a : acc) a = set1(0.0F);
  for (int i = 0; i < n_blocks; ++i) {
    const int block = kBreakOrder && kTokens == 1 ? n_blocks - 1 - i : i;
    if constexpr (kTokens == 1) {
      add_token<kFormat, kGroups>(p, groups, block, place, acc);
    } else {
      add_tokens<kFormat, kGroups, kTokens, kStrip>(p, groups, block, place, acc);
    }
  }
  for (int g = 0; g < kGroups; ++g) {
    for (int t = 0; t < kTokens; ++t) p.store(groups[g], token + t, acc[g * kTokens + t]);
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
    const int64_t strip = int64_t{token} * (p.w.n_cols / kBlockValues);
    for (int first = 0; first < kStrip; first += kTokens) {
      for_group_tiles<kTokens, kDotGroups>(groups, [&](auto count, const TileGroups& tile) {
        quantized_tile<kFormat, count, kTokens, kStrip>(p, tile, strip, first, token + first);
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
  for (auto& row : acc) {
    for (F32& a : row) a = set1(0.0F);
  }
  for (int k = 0; k < n_cols; ++k, weights += kStep) {
    F32 columns[kGroups];
    for (int g = 0; g < kGroups; ++g)
      columns[g] = float_weights<kFormat>(weights + static_cast<size_t>(g) * step_bytes);
    for (int t = 0; t < kTokens; ++t) {
      const F32 value = set1(values[int64_t{t} * n_cols + k]);
      for (int g = 0; g < kGroups; ++g) acc[g][t] = fma(columns[g], value, acc[g][t]);
    }
  }
  for (int g = 0; g < kGroups; ++g) {
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
    if constexpr (kHasStrips) {
      token = p.x.n_tokens / kStripTokens * kStripTokens;
      multiply_strips<kFormat>(p, groups, token);
    }
    multiply_quantized<kFormat, kHasStrips ? kStripTokens / 2 : kStripTokens>(p, groups, token);
  }
}

void matmul(const PackedMatrix& w, const Activations& x, float* y, int64_t y_stride, const Groups& groups) {
  using enum PackedFormat;
  const Product product{w, x, y, y_stride};
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
