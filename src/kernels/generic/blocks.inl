// Blocks of 32 columns: the codes of 16 rows unpacked, their integer products with quantised activations, and
// what these add to the sums of a tile. Included inside the namespace of a level.

/// The codes of k-group kGroup of a block as unsigned bytes, of IQ4_NL the values they select, plus 128.
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

/// The same of k-group k.
template <PackedFormat kFormat>
[[gnu::always_inline]] inline Bytes block_codes(const std::byte* planes, int k) {
  constexpr int kBits = format_row(kFormat).code_bits;
  constexpr int kHigh = high_plane_bytes(kBits);
  const int pair = 2 * (k % 4);
  if constexpr (kBits == 8) {
    return load_bytes(planes + int64_t{64} * k);
  } else if constexpr (kBits < 4) {
    const Bytes low = field<0, 3>(shifted_right(load_bytes(planes + kHigh + int64_t{64} * (k / 4)), pair));
    if constexpr (kBits == 2) return low;
    if constexpr (kBits == 3) return merge<0, 2, 1>(low, shifted_right(load_bytes(planes), k));
  } else {
    const Bytes vector = load_bytes(planes + kHigh + int64_t{64} * (k % 4));
    const Bytes low = field<0, 15>(shifted_right(vector, k / 4 * 4));
    if constexpr (kFormat == PackedFormat::kIQ4_NL) return lookup(kIq4NlValues, low);
    if constexpr (kBits == 5) return merge<0, 4, 1>(low, shifted_right(load_bytes(planes), k));
    if constexpr (kBits == 6) {
      return merge<0, 4, 3>(low, shifted_right(load_bytes(planes + int64_t{64} * (k / 4)), pair));
    }
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

/// A token of a tile in a block.
struct BlockInput {
  const int8_t* low;
  const int8_t* high;  // of k-group high_group
  int high_group;
  int32_t sum, first;
  float scale;
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

  /// Starts token t from what the offset of the codes adds too much.
  [[gnu::always_inline]] void start(int t, const BlockInput& x) {
    if constexpr (kSplit) {
      first[t].start(offset(x.first));
      second[t].start(offset(x.sum - x.first));
    } else {
      first[t].start(offset(x.sum));
    }
  }

  /// Whether the high digits are multiplied as the low ones are, by codes that are 8 times as large.
  static constexpr bool kAddsEightfold = Sum::kTakesEightfold && !kSplit;

  /// The high digits of token t; `codes` are those of its high_group, or 8 times those (kAddsEightfold).
  [[gnu::always_inline]] void add_high(int t, const Bytes& codes, const BlockInput& x) {
    if constexpr (kAddsEightfold) {
      first[t].template add<0>(codes, x.high);
      return;
    }
    const I32 dot = high_dot(codes, x.high);
    if constexpr (kSplit) {
      const I32 in_first = dot & set1(int32_t{x.high_group < 4 ? -1 : 0});
      first[t].add(in_first);
      second[t].add(dot - in_first);
    } else {
      first[t].add(dot);
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
  [[gnu::always_inline]] static I32 minimum(const BlockScales& scales, const BlockInput& x) {
    if constexpr (!kSplit) return set1(x.sum);
    return set1(x.first) * scales.minimum0 + set1(x.sum - x.first) * scales.minimum1;
  }

 private:
  [[gnu::always_inline]] static I32 high_dot(const Bytes& codes, const int8_t* x) {
    if constexpr (requires { Sum::high(codes, x); }) {  // the level knows a shorter way
      return Sum::high(codes, x);
    } else {
      Sum dot;
      dot.start(set1(int32_t{0}));
      dot.template add<0>(codes, x);
      return shift_left<kHighBits>(dot.total());
    }
  }
  static I32 offset(int32_t sum) {  // -kOffset, a power of two, times sum, where Sum does not have it
    if constexpr (Sum::kIncludesOffset || kOffset == 0) return set1(int32_t{0});
    return set1(int32_t{0}) - shift_left<__builtin_ctz(kOffset | 256)>(set1(sum));
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
  /// Vector i of its planes.
  [[nodiscard]] [[gnu::always_inline]] Bytes vector(int g, int i) const {
    return load_bytes(group(g) + place.planes + ptrdiff_t{kLineBytes} * i);
  }
  [[nodiscard]] [[gnu::always_inline]] Bytes codes(int g, int k) const {
    return block_codes<kFormat>(group(g) + place.planes, k);
  }
  /// What the high digits of k-group k are multiplied by (BlockDots::add_high).
  [[nodiscard]] [[gnu::always_inline]] Bytes high_codes(int g, int k) const {
    if constexpr (BlockDots<kFormat, 1>::kAddsEightfold) return eight_times(codes(g, k));
    return codes(g, k);
  }
  [[nodiscard]] [[gnu::always_inline]] BlockScales scales(int g) const {
    return block_scales<kFormat>(group(g) + place.halves, group(g) + place.subs);
  }
};

/// The same for several tokens: each has high digits in a k-group of its own, whose codes are kept.
template <PackedFormat kFormat, int kGroups>
class KeptBlock {
 public:
  static constexpr bool kStream = false;

  explicit KeptBlock(const PackedBlock<kFormat>& packed) : packed_(packed) {}

  template <int kGroup>
  [[nodiscard]] [[gnu::always_inline]] Bytes codes(int g) {
    const Bytes unpacked = packed_.template codes<kGroup>(g);
    if constexpr (kKeeps) codes_[kGroup][g] = unpacked;
    return unpacked;
  }
  [[nodiscard]] [[gnu::always_inline]] Bytes high_codes(int g, int k) const {
    if constexpr (!kKeeps) return packed_.high_codes(g, k);
    if constexpr (BlockDots<kFormat, 1>::kAddsEightfold) return eight_times(codes_[k][g]);
    return codes_[k][g];
  }
  [[nodiscard]] [[gnu::always_inline]] BlockScales scales(int g) const { return packed_.scales(g); }

 private:
  static constexpr bool kKeeps = format_row(kFormat).code_bits < 8;  // those of 8 bits lie as they are

  PackedBlock<kFormat> packed_;
  Bytes codes_[kKeeps ? kBlockValues / 4 : 1][kGroups];
};

/// Adds k-group kGroup and the following ones of a strip of kStrip tokens, and the high digits: those of one
/// token after half of the block, so that nothing waits for them, those of several after all of it. Groups
/// side by side share each broadcast of x; streams take turns.
template <int kStrip, int kGroup = 0, PackedFormat kFormat, int kTokens, int kGroups, class Block>
[[gnu::always_inline]] inline void add_k_groups(BlockDots<kFormat, kTokens> (&dots)[kGroups], Block& w,
                                                const BlockInput (&x)[kTokens]) {
  constexpr int kAt = 4 * kStrip * kGroup;
  if constexpr (Block::kStream) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      const Bytes codes = w.template codes<kGroup>(g);
      for (int t = 0; t < kTokens; ++t) dots[g].template add<kGroup>(t, codes, x[t].low + kAt);
    }
  } else {
    Bytes codes[kGroups];
    for (int g = 0; g < kGroups; ++g) codes[g] = w.template codes<kGroup>(g);
    for (int t = 0; t < kTokens; ++t) {
      for (int g = 0; g < kGroups; ++g) dots[g].template add<kGroup>(t, codes[g], x[t].low + kAt);
    }
  }
  constexpr int kBeforeHigh = kBlockValues / (kTokens == 1 ? 8 : 4);
  if constexpr (kGroup + 1 == kBeforeHigh) {
    for (int t = 0; t < kTokens; ++t) {
      for (int g = 0; g < kGroups; ++g) dots[g].add_high(t, w.high_codes(g, x[t].high_group), x[t]);
    }
  }
  if constexpr (kGroup + 1 < kBlockValues / 4) add_k_groups<kStrip, kGroup + 1>(dots, w, x);
}

constexpr int kStripTokens = whole_strip(kStripLayout);

/// A token's place in its strip.
class StripPlace {
 public:
  /// Of the strip of `width` tokens that begins with the batch's `strip`: its token `token`.
  StripPlace(int strip, int token, int width, int n_blocks)
      : width_(width),
        token_(token),
        one_(int64_t{strip} * n_blocks),
        digits_(strip * strip_row_bytes(kStripLayout, n_blocks * kBlockValues)) {}

  /// Where a block's one value of it is.
  [[nodiscard]] int64_t one(int block) const { return one_ + int64_t{block} * width_ + token_; }
  /// Where a block's low digits begin.
  [[nodiscard]] int64_t values(int block) const {
    return digits_ + int64_t{block} * width_ * kBlockValues + token_ * 4;
  }
  [[nodiscard]] int width() const { return width_; }

 private:
  int width_;
  int token_;
  int64_t one_;  // the strip's first
  int64_t digits_;
};

/// That of the `nth` token from a place on.
[[gnu::always_inline]] inline BlockInput block_input(const QuantizedRows& x, const StripPlace& place,
                                                     int block, int nth) {
  const int64_t one = place.one(block) + nth;
  return {x.low + place.values(block) + int64_t{nth} * 4,
          x.high + one * 4,
          x.high_groups[one],
          x.sums[one],
          x.firsts[one],
          x.scales[one]};
}

/// Adds the products of a block's weights with `x` to the sums of a tile: of group g and input i at acc[g *
/// kStride + i].
template <PackedFormat kFormat, int kStrip, int kStride, int kGroups, class Block, int kCount>
[[gnu::always_inline]] inline void add_block(Block& w, const BlockInput (&x)[kCount], F32* acc) {
  BlockDots<kFormat, kCount> dots[kGroups];
  for (int i = 0; i < kCount; ++i) {
    for (auto& group_dots : dots) group_dots.start(i, x[i]);
  }
  add_k_groups<kStrip>(dots, w, x);
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
    const BlockScales scales = w.scales(g);
    for (int i = 0; i < kCount; ++i) {
      const F32 scale_x = set1(x[i].scale);
      const F32 dot = to_float(dots[g].total(i, scales));
      F32& a = acc[g * kStride + i];
      if constexpr (format_row(kFormat).has_minimum) {
        const F32 minimum = scales.minimum * to_float(dots[g].minimum(scales, x[i]));
        a = fma(scale_x, fma(scales.scale, dot, minimum), a);
      } else {
        a = fma(scales.scale * scale_x, dot, a);
      }
    }
  }
}
