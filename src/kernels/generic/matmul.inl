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
  I32 first, second;  // SubScales::kHalves*: the integer sub-scales of the two halves
  I32 minimums;       // pairs of int16 that meet the sums of x
};

template <PackedFormat kFormat>
[[gnu::always_inline]] inline BlockScales block_scales(const std::byte* halves, const std::byte* subs) {
  constexpr FormatRow kRow = format_row(kFormat);
  BlockScales s;
  s.scale = load_half(halves);
  if constexpr (kRow.has_minimum) s.minimum = load_half(halves + kLanes * 2);
  s.minimums = set1(int32_t{0x00010001});
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
      s.minimums =
          (shift_right<4>(pair) & set1(int32_t{15})) | (shift_left<4>(pair) & set1(int32_t{0xF0000}));
    }
  }
  return s;
}

/// The integer dot products of a block with kTokens tokens' blocks, each half of the columns apart.
template <PackedFormat kFormat, int kTokens>
struct BlockDots {
  static constexpr bool kTable = kFormat == PackedFormat::kIQ4_NL;
  static constexpr int kOffset = format_row(kFormat).offset;
  static constexpr bool kSplit =
      format_row(kFormat).subs == SubScales::kHalves || format_row(kFormat).subs == SubScales::kHalvesMin;
  using Sum = Dot<kTable ? 8 : format_row(kFormat).code_bits, kOffset>;

  Sum first[kTokens];
  Sum second[kSplit ? kTokens : 1];

  template <int kGroup>
  [[gnu::always_inline]] void add(const std::byte* planes, const int8_t* x, int64_t stride) {
    const Bytes codes = block_codes<kFormat, kGroup>(planes);
    for (int t = 0; t < kTokens; ++t) {
      Sum& sum = kSplit && kGroup >= 4 ? second[t] : first[t];
      sum.template add<kGroup>(codes, x + t * stride + 4 * kGroup);
    }
  }

  /// The integer that meets the scale: offsets taken out, sub-scales applied.
  [[gnu::always_inline]] I32 total(int t, const BlockScales& scales, I32 sums) const {
    I32 a = first[t].total();
    if constexpr (!kSplit) {
      if constexpr (!Sum::kIncludesOffset && kOffset != 0)
        a = a + dot_words(sums, set1(pair_of(-kOffset, -kOffset)));
      return a;
    } else {
      I32 b = second[t].total();
      if constexpr (!Sum::kIncludesOffset && kOffset != 0) {
        a = a + dot_words(sums, set1(pair_of(-kOffset, 0)));
        b = b + dot_words(sums, set1(pair_of(0, -kOffset)));
      }
      return a * scales.first + b * scales.second;
    }
  }

 private:
  static constexpr int32_t pair_of(int low, int high) {
    return static_cast<int32_t>((static_cast<uint32_t>(high) << 16) | (static_cast<uint32_t>(low) & 0xFFFFU));
  }
};

/// What one tile reads and writes: one group of rows, kTokens tokens.
struct Tile {
  const std::byte* group;
  const int8_t* values;  // of the first token
  const float* scales;
  const int32_t* sums;
  int n_cols;
  float* y;  // of the first token and row
  int64_t y_stride;
  int n_rows;  // rows to write, at most 16
};

template <PackedFormat kFormat, int kTokens>
void quantized_tile(const Tile& tile) {
  constexpr FormatRow kRow = format_row(kFormat);
  const int n_blocks = tile.n_cols / kBlockValues;
  F32 acc[kTokens];
  for (int t = 0; t < kTokens; ++t) acc[t] = set1(0.0F);
  for (int b = 0; b < n_blocks; ++b) {
    const BlockPlace place = block_place(kFormat, static_cast<size_t>(b));
    const BlockScales scales = block_scales<kFormat>(tile.group + place.halves, tile.group + place.subs);
    const std::byte* planes = tile.group + place.planes;
    const int8_t* x = tile.values + b * kBlockValues;
    BlockDots<kFormat, kTokens> dots;
    dots.template add<0>(planes, x, tile.n_cols);
    dots.template add<1>(planes, x, tile.n_cols);
    dots.template add<2>(planes, x, tile.n_cols);
    dots.template add<3>(planes, x, tile.n_cols);
    dots.template add<4>(planes, x, tile.n_cols);
    dots.template add<5>(planes, x, tile.n_cols);
    dots.template add<6>(planes, x, tile.n_cols);
    dots.template add<7>(planes, x, tile.n_cols);
    for (int t = 0; t < kTokens; ++t) {
      const int64_t at = int64_t{t} * n_blocks + b;
      const F32 scale_x = set1(tile.scales[at]);
      const I32 sums = set1(tile.sums[at]);
      const F32 dot = to_float(dots.total(t, scales, sums));
      if constexpr (kRow.has_minimum) {
        const F32 minimum = scales.minimum * to_float(dot_words(sums, scales.minimums));
        acc[t] = fma(scale_x, fma(scales.scale, dot, minimum), acc[t]);
      } else {
        acc[t] = fma(scales.scale * scale_x, dot, acc[t]);
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) store_up_to(tile.y + t * tile.y_stride, acc[t], tile.n_rows);
}

/// All groups of a range for kTokens tokens from `token` on.
template <PackedFormat kFormat, int kTokens>
void quantized_rows(const PackedMatrix& w, const Activations& x, float* y, int64_t y_stride, int group_begin,
                    int group_end, int token) {
  const int64_t block = int64_t{token} * (w.n_cols / kBlockValues);
  for (int g = group_begin; g < group_end; ++g) {
    const int first_row = g * kLanes;
    const int left = w.n_rows - first_row;
    quantized_tile<kFormat, kTokens>({w.bytes.data() + static_cast<size_t>(g) * w.group_bytes,
                                      x.quantized.values + block * kBlockValues, x.quantized.scales + block,
                                      x.quantized.sums + block, w.n_cols, y + token * y_stride + first_row,
                                      y_stride, left < kLanes ? left : kLanes});
  }
}

/// Tiles of kTokens tokens while there are as many, then of half as many.
template <PackedFormat kFormat, int kTokens = kDotTokens>
void quantized_matmul(const PackedMatrix& w, const Activations& x, float* y, int64_t y_stride,
                      int group_begin, int group_end, int token = 0) {
  for (; token + kTokens <= x.n_tokens; token += kTokens) {
    quantized_rows<kFormat, kTokens>(w, x, y, y_stride, group_begin, group_end, token);
  }
  if constexpr (kTokens > 1) {
    quantized_matmul<kFormat, kTokens / 2>(w, x, y, y_stride, group_begin, group_end, token);
  }
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
void float_tile(const PackedMatrix& w, const Activations& x, float* y, int64_t y_stride, int group,
                int token) {
  constexpr size_t kStep = kLanes * (kFormat == PackedFormat::kF32 ? 4 : 2);
  const std::byte* weights = w.bytes.data() + static_cast<size_t>(group) * w.group_bytes;
  const float* values = x.floats + int64_t{token} * w.n_cols;
  F32 acc[kGroups][kTokens];
  for (auto& row : acc) {
    for (F32& a : row) a = set1(0.0F);
  }
  for (int k = 0; k < w.n_cols; ++k, weights += kStep) {
    F32 columns[kGroups];
    for (int g = 0; g < kGroups; ++g) columns[g] = float_weights<kFormat>(weights + g * w.group_bytes);
    for (int t = 0; t < kTokens; ++t) {
      const F32 value = set1(values[int64_t{t} * w.n_cols + k]);
      for (int g = 0; g < kGroups; ++g) acc[g][t] = fma(columns[g], value, acc[g][t]);
    }
  }
  for (int g = 0; g < kGroups; ++g) {
    const int first_row = (group + g) * kLanes;
    const int left = w.n_rows - first_row;
    for (int t = 0; t < kTokens; ++t) {
      store_up_to(y + (token + t) * y_stride + first_row, acc[g][t], left < kLanes ? left : kLanes);
    }
  }
}

/// One token takes the groups one by one: a single stream of weights is read fastest.
template <PackedFormat kFormat, int kTokens>
void float_rows(const PackedMatrix& w, const Activations& x, float* y, int64_t y_stride, int group_begin,
                int group_end, int token) {
  constexpr int kGroups = kTokens == 1 ? 1 : kFloatGroups;
  int g = group_begin;
  for (; g + kGroups <= group_end; g += kGroups) {
    float_tile<kFormat, kGroups, kTokens>(w, x, y, y_stride, g, token);
  }
  for (; g < group_end; ++g) float_tile<kFormat, 1, kTokens>(w, x, y, y_stride, g, token);
}

template <PackedFormat kFormat>
void float_matmul(const PackedMatrix& w, const Activations& x, float* y, int64_t y_stride, int group_begin,
                  int group_end) {
  int token = 0;
  for (; token + kFloatTokens <= x.n_tokens; token += kFloatTokens) {
    float_rows<kFormat, kFloatTokens>(w, x, y, y_stride, group_begin, group_end, token);
  }
  for (; token < x.n_tokens; ++token)
    float_rows<kFormat, 1>(w, x, y, y_stride, group_begin, group_end, token);
}

void matmul(const PackedMatrix& w, const Activations& x, float* y, int64_t y_stride, int group_begin,
            int group_end) {
  using enum PackedFormat;
  switch (w.format) {
    case kF32:
      return float_matmul<kF32>(w, x, y, y_stride, group_begin, group_end);
    case kF16:
      return float_matmul<kF16>(w, x, y, y_stride, group_begin, group_end);
    case kBF16:
      return float_matmul<kBF16>(w, x, y, y_stride, group_begin, group_end);
    case kQ4_0:
      return quantized_matmul<kQ4_0>(w, x, y, y_stride, group_begin, group_end);
    case kQ4_1:
      return quantized_matmul<kQ4_1>(w, x, y, y_stride, group_begin, group_end);
    case kQ5_0:
      return quantized_matmul<kQ5_0>(w, x, y, y_stride, group_begin, group_end);
    case kQ5_1:
      return quantized_matmul<kQ5_1>(w, x, y, y_stride, group_begin, group_end);
    case kQ8_0:
      return quantized_matmul<kQ8_0>(w, x, y, y_stride, group_begin, group_end);
    case kQ2_K:
      return quantized_matmul<kQ2_K>(w, x, y, y_stride, group_begin, group_end);
    case kQ3_K:
      return quantized_matmul<kQ3_K>(w, x, y, y_stride, group_begin, group_end);
    case kQ4_K:
      return quantized_matmul<kQ4_K>(w, x, y, y_stride, group_begin, group_end);
    case kQ5_K:
      return quantized_matmul<kQ5_K>(w, x, y, y_stride, group_begin, group_end);
    case kQ6_K:
      return quantized_matmul<kQ6_K>(w, x, y, y_stride, group_begin, group_end);
    case kIQ4_NL:
      return quantized_matmul<kIQ4_NL>(w, x, y, y_stride, group_begin, group_end);
  }
}
