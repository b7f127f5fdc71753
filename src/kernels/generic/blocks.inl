// Blocks of 32 columns: the codes of 16 rows unpacked, their integer products with quantised activations, and
// what these add to the sums of a tile. Included inside the namespace of a level.

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
[[gnu::always_inline]] inline BlockInput block_input(const QuantizedDigit& digit, float scale,
                                                     const StripPlace& place, int block, int nth, int token) {
  const int64_t one = place.one(block) + nth;
  return {digit.values + place.values(block) + int64_t{nth} * 4, digit.sums[one], digit.firsts[one], scale,
          token};
}
template <class Digit>
[[gnu::always_inline]] inline BlockInput block_input(const QuantizedRows& x, const StripPlace& place,
                                                     int block, int nth, int token) {
  return block_input(Digit::of(x), x.scales[place.one(block) + nth] * Digit::kScale, place, block, nth,
                     token);
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

/// The same of input(i) for i in [begin, end), kCount together while there are as many, then half as many.
template <PackedFormat kFormat, int kStrip, int kTokens, int kGroups, int kCount, class Block, typename Input>
[[gnu::always_inline]] inline void add_inputs(const Block& w, int begin, int end, const Input& input,
                                              F32* acc) {
  for (; begin + kCount <= end; begin += kCount) {
    BlockInput x[kCount];
    for (int i = 0; i < kCount; ++i) x[i] = input(begin + i);
    add_block<kFormat, kStrip, kTokens, kGroups>(w, x, acc);
  }
  if constexpr (kCount > 1) {
    add_inputs<kFormat, kStrip, kTokens, kGroups, kCount / 2>(w, begin, end, input, acc);
  }
}
