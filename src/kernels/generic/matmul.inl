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
  I32 minimums;       // SubScales::kHalvesMin: pairs of int16 that meet the pairs of sums of x
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
      // first * minimum0 + (all - first) * minimum1 = first * (minimum0 - minimum1) + all * minimum1
      const I32 minimum0 = shift_right<4>(pair) & set1(int32_t{15});
      const I32 minimum1 = shift_right<12>(pair);
      s.minimums = shift_left<16>(minimum1) | ((minimum0 - minimum1) & set1(int32_t{0xFFFF}));
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
  [[gnu::always_inline]] void add(const std::byte* planes, const int8_t* const (&x)[kTokens]) {
    const Bytes codes = block_codes<kFormat, kGroup>(planes);
    for (int t = 0; t < kTokens; ++t) {
      Sum& sum = kSplit && kGroup >= 4 ? second[t] : first[t];
      sum.template add<kGroup>(codes, x[t] + 4 * kGroup);
    }
  }

  /// The integer that meets the scale: offsets taken out, sub-scales applied.
  [[gnu::always_inline]] I32 total(int t, const BlockScales& scales, I32 sums) const {
    if constexpr (!kSplit) {
      return first[t].total() - offsets(sum_of_all(sums));
    } else {
      const I32 sum_of_first = shift_right<16>(shift_left<16>(sums));
      const I32 a = first[t].total() - offsets(sum_of_first);
      const I32 b = second[t].total() - offsets(sum_of_all(sums) - sum_of_first);
      return a * scales.first + b * scales.second;
    }
  }

  /// The integer that meets the minimum.
  [[gnu::always_inline]] static I32 minimum(const BlockScales& scales, I32 sums) {
    return kSplit ? dot_words(sums, scales.minimums) : sum_of_all(sums);
  }

 private:
  static I32 sum_of_all(I32 sums) { return shift_right<16>(sums); }
  static I32 offsets(I32 sum) {  // kOffset, a power of two, times sum, where the dots do not have it
    if constexpr (Sum::kIncludesOffset || kOffset == 0) return set1(int32_t{0});
    return shift_left<__builtin_ctz(kOffset | 256)>(sum);
  }
};

/// Adds k-group kGroup and the following ones: groups side by side, so that they share each broadcast of x.
template <int kGroup = 0, PackedFormat kFormat, int kTokens, int kGroups>
[[gnu::always_inline]] inline void add_k_groups(BlockDots<kFormat, kTokens> (&dots)[kGroups],
                                                const std::byte* planes, size_t group_bytes,
                                                const int8_t* const (&x)[kTokens]) {
  for (int g = 0; g < kGroups; ++g) dots[g].template add<kGroup>(planes + g * group_bytes, x);
  if constexpr (kGroup + 1 < kBlockValues / 4) add_k_groups<kGroup + 1>(dots, planes, group_bytes, x);
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

/// The sums of a tile: of group g and token t at [g * kTokens + t].
template <int kGroups, int kTokens>
struct Sums {
  F32 values[kGroups * kTokens];
};

/// Adds the products of a block's weights with one digit of the tokens `token[0 .. kCount)` of a tile of
/// kTokens, whose own block is `first_block` + token * blocks of a row.
template <PackedFormat kFormat, class Digit, int kCount, int kGroups, int kTokens>
[[gnu::always_inline]] inline void add_block(const Product& p, int group, int block, int64_t first_block,
                                             const int (&token)[kCount], Sums<kGroups, kTokens>& acc) {
  const QuantizedRows& x = p.x.quantized;
  const QuantizedDigit& digit = Digit::of(x);
  const int n_blocks = p.w.n_cols / kBlockValues;
  const BlockPlace place = block_place(kFormat, static_cast<size_t>(block));
  const int8_t* values[kCount];
  for (int i = 0; i < kCount; ++i) {
    values[i] = digit.values + (first_block + int64_t{token[i]} * n_blocks) * kBlockValues;
  }
  BlockDots<kFormat, kCount> dots[kGroups];
  add_k_groups(dots, p.group(group) + place.planes, p.w.group_bytes, values);
  for (int g = 0; g < kGroups; ++g) {
    const std::byte* bytes = p.group(group + g);
    const BlockScales scales = block_scales<kFormat>(bytes + place.halves, bytes + place.subs);
    for (int i = 0; i < kCount; ++i) {
      const int64_t at = first_block + int64_t{token[i]} * n_blocks;
      const F32 scale_x = set1(x.scales[at] * Digit::kScale);
      const I32 sums = set1(digit.sums[at]);
      const F32 dot = to_float(dots[g].total(i, scales, sums));
      F32& a = acc.values[g * kTokens + token[i]];
      if constexpr (format_row(kFormat).has_minimum) {
        const F32 minimum = scales.minimum * to_float(dots[g].minimum(scales, sums));
        a = fma(scale_x, fma(scales.scale, dot, minimum), a);
      } else {
        a = fma(scales.scale * scale_x, dot, a);
      }
    }
  }
}

/// The fine digit of one or two tokens: rare enough to be kept out of line.
template <PackedFormat kFormat, int kCount, int kGroups, int kTokens>
[[gnu::noinline]] void add_fine(const Product& p, int group, int block, int64_t first_block, const int* token,
                                Sums<kGroups, kTokens>& acc) {
  int some[kCount];
  for (int i = 0; i < kCount; ++i) some[i] = token[i];
  add_block<kFormat, FineDigit>(p, group, block, first_block, some, acc);
}

/// The fine digits of n tokens, kCount together while there are as many, then half as many.
template <PackedFormat kFormat, int kCount, int kGroups, int kTokens>
[[gnu::always_inline]] inline void add_all_fine(const Product& p, int group, int block, int64_t first_block,
                                                const int* token, int n, Sums<kGroups, kTokens>& acc) {
  for (; n >= kCount; n -= kCount, token += kCount) {
    add_fine<kFormat, kCount>(p, group, block, first_block, token, acc);
  }
  if constexpr (kCount > 1) add_all_fine<kFormat, kCount / 2>(p, group, block, first_block, token, n, acc);
}

template <PackedFormat kFormat, int kGroups, int kTokens>
void quantized_tile(const Product& p, int group, int token) {
  const int n_blocks = p.w.n_cols / kBlockValues;
  int all[kTokens];
  for (int t = 0; t < kTokens; ++t) all[t] = t;
  Sums<kGroups, kTokens> acc;
  for (F32& a : acc.values) a = set1(0.0F);
  for (int i = 0; i < n_blocks; ++i) {
    const int block = kBreakOrder && kTokens == 1 ? n_blocks - 1 - i : i;
    const int64_t first_block = int64_t{token} * n_blocks + block;
    add_block<kFormat, CoarseDigit>(p, group, block, first_block, all, acc);
    int fine[kTokens];
    int n_fine = 0;
    for (int t = 0; t < kTokens; ++t) {
      fine[n_fine] = t;
      n_fine += p.x.quantized.is_fine[first_block + int64_t{t} * n_blocks];
    }
    add_all_fine<kFormat, (kTokens < 4 ? kTokens : 4)>(p, group, block, first_block, fine, n_fine, acc);
  }
  for (int g = 0; g < kGroups; ++g) {
    for (int t = 0; t < kTokens; ++t) p.store(group + g, token + t, acc.values[g * kTokens + t]);
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
void float_tile(const Product& p, int group, int token) {
  constexpr size_t kStep = kLanes * (kFormat == PackedFormat::kF32 ? 4 : 2);
  const int n_cols = p.w.n_cols;
  const std::byte* weights = p.group(group);
  const float* values = p.x.floats + int64_t{token} * n_cols;
  F32 acc[kGroups][kTokens];
  for (auto& row : acc) {
    for (F32& a : row) a = set1(0.0F);
  }
  for (int k = 0; k < n_cols; ++k, weights += kStep) {
    F32 columns[kGroups];
    for (int g = 0; g < kGroups; ++g) columns[g] = float_weights<kFormat>(weights + g * p.w.group_bytes);
    for (int t = 0; t < kTokens; ++t) {
      const F32 value = set1(values[int64_t{t} * n_cols + k]);
      for (int g = 0; g < kGroups; ++g) acc[g][t] = fma(columns[g], value, acc[g][t]);
    }
  }
  for (int g = 0; g < kGroups; ++g) {
    for (int t = 0; t < kTokens; ++t) p.store(group + g, token + t, acc[g][t]);
  }
}

template <PackedFormat kFormat, int kGroups, int kTokens>
void tile(const Product& p, int group, int token) {
  if constexpr (format_row(kFormat).code_bits == 0) {
    float_tile<kFormat, kGroups, kTokens>(p, group, token);
  } else {
    quantized_tile<kFormat, kGroups, kTokens>(p, group, token);
  }
}

/// The groups of a range for kTokens tokens. One token takes them one by one: a single stream of weights is
/// what memory delivers fastest.
template <PackedFormat kFormat, int kTokens>
void multiply_groups(const Product& p, int group_begin, int group_end, int token) {
  constexpr int kMany = format_row(kFormat).code_bits == 0 ? kFloatGroups : kDotGroups;
  constexpr int kGroups = kTokens == 1 ? 1 : kMany;
  int g = group_begin;
  for (; g + kGroups <= group_end; g += kGroups) tile<kFormat, kGroups, kTokens>(p, g, token);
  for (; g < group_end; ++g) tile<kFormat, 1, kTokens>(p, g, token);
}

/// Tiles of kTokens tokens while there are as many, then of half as many.
template <PackedFormat kFormat, int kTokens = format_row(kFormat).code_bits == 0 ? kFloatTokens : kDotTokens>
void multiply(const Product& p, int group_begin, int group_end, int token = 0) {
  for (; token + kTokens <= p.x.n_tokens; token += kTokens) {
    multiply_groups<kFormat, kTokens>(p, group_begin, group_end, token);
  }
  if constexpr (kTokens > 1) multiply<kFormat, kTokens / 2>(p, group_begin, group_end, token);
}

void matmul(const PackedMatrix& w, const Activations& x, float* y, int64_t y_stride, int group_begin,
            int group_end) {
  using enum PackedFormat;
  const Product product{w, x, y, y_stride};
  switch (w.format) {
    case kF32:
      return multiply<kF32>(product, group_begin, group_end);
    case kF16:
      return multiply<kF16>(product, group_begin, group_end);
    case kBF16:
      return multiply<kBF16>(product, group_begin, group_end);
    case kQ4_0:
      return multiply<kQ4_0>(product, group_begin, group_end);
    case kQ4_1:
      return multiply<kQ4_1>(product, group_begin, group_end);
    case kQ5_0:
      return multiply<kQ5_0>(product, group_begin, group_end);
    case kQ5_1:
      return multiply<kQ5_1>(product, group_begin, group_end);
    case kQ8_0:
      return multiply<kQ8_0>(product, group_begin, group_end);
    case kQ2_K:
      return multiply<kQ2_K>(product, group_begin, group_end);
    case kQ3_K:
      return multiply<kQ3_K>(product, group_begin, group_end);
    case kQ4_K:
      return multiply<kQ4_K>(product, group_begin, group_end);
    case kQ5_K:
      return multiply<kQ5_K>(product, group_begin, group_end);
    case kQ6_K:
      return multiply<kQ6_K>(product, group_begin, group_end);
    case kIQ4_NL:
      return multiply<kIQ4_NL>(product, group_begin, group_end);
  }
}
