// Products of whole strips on AVX2. The codes of a block are unpacked once for all tokens, into a buffer that
// stays in the first cache. vpmaddubsw wants one side unsigned: that is x, to which quantize has added
// kStripBias in whole strips. What this adds too much depends on weights alone, so sums start from its
// negative. Weights are signed, and small enough for every whole sum of a block to fit int16: 16 products of
// 5 bits, 8 of 6 bits. Before the last product a sum may wrap around. Included inside the namespace of the
// level, after the generic kernels.

/// How the codes of a format are multiplied. A tile is 4 vectors of 8 rows by 2 tokens: 8 sums.
template <PackedFormat kFormat>
struct StripFormat {
  static constexpr FormatRow kRow = format_row(kFormat);
  static constexpr bool kSplit = BlockDots<kFormat, 1>::kSplit;
  static constexpr int kSums = kSplit ? 2 : 1;                // of a block, one after the other
  static constexpr int kDigits = kRow.offset == 128 ? 2 : 1;  // 8 bits are 16 times 4 bits and 4 bits
  static constexpr int kGroups = 2 / kDigits;                 // of a tile
  static constexpr int kTaken = kDigits == 2 ? 8 : kRow.code_bits == 5 ? 16 : kRow.offset;  // from codes
};

/// A block of kGroups groups. Vectors of 8 rows follow each other, those of the high digit before those of
/// the low one.
template <PackedFormat kFormat, int kGroups>
struct StripWeights {
  using Format = StripFormat<kFormat>;
  static constexpr int kSums = Format::kSums;
  static constexpr int kRows = 2 * kGroups;  // vectors of them
  static constexpr int kVectors = kRows * Format::kDigits;
  static constexpr int kSteps = kBlockValues / 4 / kSums;  // k-groups of a sum

  __m256i codes[kSums][kSteps][kVectors];
  __m256i starts[kSums][kVectors];
  __m256i factors[kSums][kVectors];  // what both words of a lane are multiplied by
  __m256 scales[kRows];
  __m256 minimums[kRows];
  __m256i sub_minimums[kRows];  // SubScales::kHalvesMin: those of both halves as words
};

template <typename Vector, typename Both>
[[gnu::always_inline]] inline void put(Vector* vectors, const Both& both) {
  vectors[0] = both.low;
  vectors[1] = both.high;
}

inline I32 words(I32 low, I32 high) { return (low & set1(int32_t{0xFFFF})) | shift_left<16>(high); }

/// The codes of group g, from k-group kGroup on.
template <int kGroup = 0, PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void unpack_codes(const std::byte* planes, int g,
                                                StripWeights<kFormat, kGroups>& w) {
  using Weights = StripWeights<kFormat, kGroups>;
  using Format = StripFormat<kFormat>;
  const Bytes codes = block_codes<kFormat, kGroup>(planes);
  const __m256i taken = _mm256_set1_epi8(Format::kTaken);
  __m256i* to = w.codes[kGroup / Weights::kSteps][kGroup % Weights::kSteps] + 2 * g;
  const Bytes high = Format::kDigits == 2 ? field<4, 15>(codes) : codes;
  put(to, Bytes{_mm256_sub_epi8(high.low, taken), _mm256_sub_epi8(high.high, taken)});
  if constexpr (Format::kDigits == 2) put(to + Weights::kRows, field<0, 15>(codes));
  if constexpr (kGroup + 1 < kBlockValues / 4) unpack_codes<kGroup + 1>(planes, g, w);
}

template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void unpack_scales(const BlockScales& scales, int g,
                                                 StripWeights<kFormat, kGroups>& w) {
  using Weights = StripWeights<kFormat, kGroups>;
  using Format = StripFormat<kFormat>;
  put(w.scales + 2 * g, scales.scale);
  if constexpr (Format::kRow.has_minimum) put(w.minimums + 2 * g, scales.minimum);
  if constexpr (Format::kSplit) {
    put(w.factors[0] + 2 * g, words(scales.first, scales.first));
    put(w.factors[1] + 2 * g, words(scales.second, scales.second));
    if constexpr (Format::kRow.has_minimum) {
      put(w.sub_minimums + 2 * g, words(scales.minimum0, scales.minimum1));
    }
  } else {
    const __m256i one = _mm256_set1_epi16(1);
    put(w.factors[0] + 2 * g, I32{one, one});
    if constexpr (Format::kDigits == 2) {
      const __m256i sixteen = _mm256_set1_epi16(16);
      put(w.factors[0], I32{sixteen, sixteen});
      put(w.factors[0] + Weights::kRows, I32{one, one});
    }
  }
}

template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void unpack_block(const Product& p, int group, int block,
                                                StripWeights<kFormat, kGroups>& w) {
  using Weights = StripWeights<kFormat, kGroups>;
  const BlockPlace place = block_place(kFormat, static_cast<size_t>(block));
  for (int g = 0; g < kGroups; ++g) {
    const std::byte* bytes = p.group(group + g);
    unpack_codes(bytes + place.planes, g, w);
    unpack_scales(block_scales<kFormat>(bytes + place.halves, bytes + place.subs), g, w);
  }
  const __m256i bias = _mm256_set1_epi8(static_cast<char>(kStripBias));
  for (int s = 0; s < Weights::kSums; ++s) {
    for (int v = 0; v < Weights::kVectors; ++v) {
      __m256i codes = w.codes[s][0][v];  // their sum fits int8: 4 codes of 6 bits, 8 of 5 bits
      for (int k = 1; k < Weights::kSteps; ++k) codes = _mm256_add_epi8(codes, w.codes[s][k][v]);
      w.starts[s][v] = _mm256_sub_epi16(_mm256_setzero_si256(), _mm256_maddubs_epi16(bias, codes));
    }
  }
}

/// One digit of a token in a block, and the sums of 16 rows a group that its products are added to.
struct StripToken {
  const int8_t* values;  // k-group k is at 4 * kStripTokens * k
  float scale;
  int32_t sum, first;
  float* sums;
};

/// That of token t of the strip whose first value of a block is at `one`.
template <class Digit>
[[gnu::always_inline]] inline StripToken strip_token(const QuantizedRows& x, int64_t one, int t,
                                                     float* sums) {
  const QuantizedDigit& digit = Digit::of(x);
  return {digit.values + one * kBlockValues + t * 4, x.scales[one + t] * Digit::kScale, digit.sums[one + t],
          digit.firsts[one + t], sums};
}

/// The integer dot products of a block's weights with two tokens, but for what was taken from the codes of a
/// format with a minimum.
template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void multiply_block(const StripWeights<kFormat, kGroups>& w,
                                                  const StripToken (&x)[2], __m256i (&dots)[2][2 * kGroups]) {
  using Weights = StripWeights<kFormat, kGroups>;
#pragma GCC unroll 2
  for (int s = 0; s < Weights::kSums; ++s) {
    __m256i sums[2][Weights::kVectors];
    for (auto& token : sums) {
      for (int v = 0; v < Weights::kVectors; ++v) token[v] = w.starts[s][v];
    }
#pragma GCC unroll 8
    for (int k = 0; k < Weights::kSteps; ++k) {
      __m256i values[2];
      for (int t = 0; t < 2; ++t) {
        int32_t four;
        __builtin_memcpy(&four, x[t].values + 4 * kStripTokens * (s * Weights::kSteps + k), sizeof(four));
        values[t] = _mm256_set1_epi32(four);
      }
      for (int v = 0; v < Weights::kVectors; ++v) {
        for (int t = 0; t < 2; ++t) {
          sums[t][v] = _mm256_add_epi16(sums[t][v], _mm256_maddubs_epi16(values[t], w.codes[s][k][v]));
        }
      }
    }
    for (int t = 0; t < 2; ++t) {
      for (int v = 0; v < Weights::kVectors; ++v) {
        const __m256i part = _mm256_madd_epi16(sums[t][v], w.factors[s][v]);
        __m256i& dot = dots[t][v % Weights::kRows];
        dot = s == 0 && v < Weights::kRows ? part : _mm256_add_epi32(dot, part);
      }
    }
  }
}

/// Adds a block's products with two tokens to their sums.
template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void add_block(const StripWeights<kFormat, kGroups>& w,
                                             const StripToken (&x)[2]) {
  using Weights = StripWeights<kFormat, kGroups>;
  using Format = StripFormat<kFormat>;
  __m256i dots[2][Weights::kRows];
  multiply_block(w, x, dots);
  for (int t = 0; t < 2; ++t) {
    const __m256 scale_x = _mm256_set1_ps(x[t].scale);
    const __m256i taken = _mm256_set1_epi32(x[t].sum * Format::kTaken);
    const __m256i halves = _mm256_set1_epi32((x[t].first & 0xFFFF) | (x[t].sum - x[t].first) << 16);
    for (int r = 0; r < Weights::kRows; ++r) {
      float* at = x[t].sums + 8 * r;
      __m256 sum = _mm256_load_ps(at);
      if constexpr (Format::kRow.has_minimum) {
        const __m256i dot = Format::kTaken == 0 ? dots[t][r] : _mm256_add_epi32(dots[t][r], taken);
        const __m256i sum_x =
            Format::kSplit ? _mm256_madd_epi16(halves, w.sub_minimums[r]) : _mm256_set1_epi32(x[t].sum);
        const __m256 minimum = _mm256_mul_ps(w.minimums[r], _mm256_cvtepi32_ps(sum_x));
        sum = _mm256_fmadd_ps(scale_x, _mm256_fmadd_ps(w.scales[r], _mm256_cvtepi32_ps(dot), minimum), sum);
      } else {
        sum = _mm256_fmadd_ps(_mm256_mul_ps(w.scales[r], scale_x), _mm256_cvtepi32_ps(dots[t][r]), sum);
      }
      _mm256_store_ps(at, sum);
    }
  }
}

constexpr int kTogether = 64;  // tokens whose sums stay in the first cache

/// n_tokens tokens from `token` on, at most kTogether. The fine digits of a block follow the coarse ones of
/// all tokens, so that they find others to share the weights with.
template <PackedFormat kFormat, int kGroups>
void strips_tile(const Product& p, int group, int token, int n_tokens) {
  const int n_blocks = p.w.n_cols / kBlockValues;
  const QuantizedRows& x = p.x.quantized;
  alignas(64) StripWeights<kFormat, kGroups> w;
  alignas(64) float sums[kTogether + 1][kGroups * kLanes];  // the last one is nobody's
  __builtin_memset(sums, 0, static_cast<size_t>(n_tokens) * sizeof(sums[0]));
  __builtin_memset(sums[kTogether], 0, sizeof(sums[0]));
  for (int block = 0; block < n_blocks; ++block) {
    fetch_ahead<kGroups>(p, group, block);
    unpack_block(p, group, block, w);
    const auto one = [&](int strip) {
      return int64_t{token + strip * kStripTokens} * n_blocks + int64_t{block} * kStripTokens;
    };
    int fine[kTogether + 1];
    int n_fine = 0;
    for (int strip = 0; strip < n_tokens / kStripTokens; ++strip) {
      const int64_t at = one(strip);
      for (int t = 0; t < kStripTokens; t += 2) {
        float(*into)[kGroups * kLanes] = sums + strip * kStripTokens + t;
        add_block(w, {strip_token<CoarseDigit>(x, at, t, into[0]),
                      strip_token<CoarseDigit>(x, at, t + 1, into[1])});
      }
      uint64_t is_fine;  // a byte a token
      __builtin_memcpy(&is_fine, x.is_fine + at, sizeof(is_fine));
      for (; is_fine != 0; is_fine &= is_fine - 1) {
        fine[n_fine++] = strip * kStripTokens + __builtin_ctzll(is_fine) / 8;
      }
    }
    fine[n_fine] = fine[0];  // beside the last of an odd number
    const auto digit = [&](int t, float* into) {
      return strip_token<FineDigit>(x, one(t / kStripTokens), t % kStripTokens, into);
    };
    for (int i = 0; i < n_fine; i += 2) {
      float* second = sums[i + 1 < n_fine ? fine[i + 1] : kTogether];
      add_block(w, {digit(fine[i], sums[fine[i]]), digit(fine[i + 1], second)});
    }
  }
  for (int t = 0; t < n_tokens; ++t) {
    for (int g = 0; g < kGroups; ++g) p.store(group + g, token + t, load(sums[t] + g * kLanes));
  }
}

/// The first n_tokens tokens, whole strips.
template <PackedFormat kFormat>
void multiply_strips(const Product& p, int group_begin, int group_end, int n_tokens) {
  constexpr int kGroups = StripFormat<kFormat>::kGroups;
  for (int token = 0; token < n_tokens; token += kTogether) {
    const int n = std::min(kTogether, n_tokens - token);
    int g = group_begin;
    for (; g + kGroups <= group_end; g += kGroups) strips_tile<kFormat, kGroups>(p, g, token, n);
    for (; g < group_end; ++g) strips_tile<kFormat, 1>(p, g, token, n);
  }
}
