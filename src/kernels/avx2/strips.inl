// Products of whole strips on AVX2. The codes of a block are unpacked once for all tokens, into a buffer that
// stays in the first cache. vpmaddubsw wants one side unsigned: that is x, to which quantize has added
// 128 in whole strips (StripLayout). What this adds too much depends on weights alone, so sums start from its
// negative. Weights are signed, and small enough for every whole sum of a block to fit int16: 16 products of
// 5 bits, 8 of 6 bits. Before the last product a sum may wrap around. Weights of 8 bits are too large for it:
// they and x become words, for vpmaddwd. Included inside the namespace of the level, after the generic
// kernels.

/// How the codes of a format are multiplied.
template <PackedFormat kFormat>
struct StripFormat {
  static constexpr FormatRow kRow = format_row(kFormat);
  static constexpr bool kWords = kRow.offset == 128;
  static constexpr bool kSplit = BlockDots<kFormat, 1>::kSplit;
  static constexpr int kSums = kSplit ? 2 : 1;                           // of a block, one after the other
  static constexpr int kTaken = kRow.code_bits == 5 ? 16 : kRow.offset;  // from codes
};

/// A block of kGroups groups. Vectors of 8 rows follow each other.
template <PackedFormat kFormat, int kGroups>
struct StripWeights {
  using Format = StripFormat<kFormat>;
  static constexpr int kSums = Format::kSums;
  static constexpr int kRows = 2 * kGroups;                                       // vectors of them
  static constexpr int kSteps = kBlockValues / (Format::kWords ? 2 : 4) / kSums;  // of a sum

  __m256i codes[kSums][kSteps][kRows];  // four columns a step; kWords: two
  __m256i starts[kSums][kRows];
  __m256i factors[kSums][kRows];  // kSplit: what both words of a lane are multiplied by
  __m256 scales[kRows];
  __m256 minimums[kRows];
  __m256 sub_minimums[2][kRows];  // SubScales::kHalvesMin: those of each half
};

template <typename Vector, typename Both>
[[gnu::always_inline]] inline void put(Vector* vectors, const Both& both) {
  vectors[0] = both.low;
  vectors[1] = both.high;
}

inline I32 words(I32 low, I32 high) { return (low & set1(int32_t{0xFFFF})) | shift_left<16>(high); }

/// Bytes plus 128 as words: those of columns 0 and 2 of each four.
inline __m256i even_words(__m256i bytes) {
  return _mm256_sub_epi16(_mm256_and_si256(bytes, _mm256_set1_epi16(0xFF)), _mm256_set1_epi16(128));
}
/// Those of columns 1 and 3.
inline __m256i odd_words(__m256i bytes) {
  return _mm256_sub_epi16(_mm256_srli_epi16(bytes, 8), _mm256_set1_epi16(128));
}

/// The codes of group g, from k-group kGroup on.
template <int kGroup = 0, PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void unpack_codes(const std::byte* planes, int g,
                                                StripWeights<kFormat, kGroups>& w) {
  using Weights = StripWeights<kFormat, kGroups>;
  using Format = StripFormat<kFormat>;
  const Bytes codes = block_codes<kFormat, kGroup>(planes);
  if constexpr (Format::kWords) {
    put(w.codes[0][2 * kGroup] + 2 * g, Bytes{even_words(codes.low), even_words(codes.high)});
    put(w.codes[0][2 * kGroup + 1] + 2 * g, Bytes{odd_words(codes.low), odd_words(codes.high)});
  } else {
    const __m256i taken = _mm256_set1_epi8(Format::kTaken);
    put(w.codes[kGroup / Weights::kSteps][kGroup % Weights::kSteps] + 2 * g,
        Bytes{_mm256_sub_epi8(codes.low, taken), _mm256_sub_epi8(codes.high, taken)});
  }
  if constexpr (kGroup + 1 < kBlockValues / 4) unpack_codes<kGroup + 1>(planes, g, w);
}

template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void unpack_scales(const BlockScales& scales, int g,
                                                 StripWeights<kFormat, kGroups>& w) {
  using Format = StripFormat<kFormat>;
  put(w.scales + 2 * g, scales.scale);
  if constexpr (Format::kRow.has_minimum) put(w.minimums + 2 * g, scales.minimum);
  if constexpr (Format::kSplit) {
    put(w.factors[0] + 2 * g, words(scales.first, scales.first));
    put(w.factors[1] + 2 * g, words(scales.second, scales.second));
    if constexpr (Format::kRow.has_minimum) {
      put(w.sub_minimums[0] + 2 * g, to_float(scales.minimum0));
      put(w.sub_minimums[1] + 2 * g, to_float(scales.minimum1));
    }
  }
}

/// What sums of bytes start from: what the 128 of x add too much, its sign turned.
template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void unpack_starts(StripWeights<kFormat, kGroups>& w) {
  using Weights = StripWeights<kFormat, kGroups>;
  const __m256i bias = _mm256_set1_epi8(static_cast<char>(128));
  for (int s = 0; s < Weights::kSums; ++s) {
    for (int v = 0; v < Weights::kRows; ++v) {
      __m256i codes = w.codes[s][0][v];  // their sum fits int8: 4 codes of 6 bits, 8 of 5 bits
      for (int k = 1; k < Weights::kSteps; ++k) codes = _mm256_add_epi8(codes, w.codes[s][k][v]);
      w.starts[s][v] = _mm256_sub_epi16(_mm256_setzero_si256(), _mm256_maddubs_epi16(bias, codes));
    }
  }
}

template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void unpack_block(const Product& p, int group, int block,
                                                StripWeights<kFormat, kGroups>& w) {
  const BlockPlace place = block_place(kFormat, static_cast<size_t>(block));
  for (int g = 0; g < kGroups; ++g) {
    const std::byte* bytes = p.group(group + g);
    unpack_codes(bytes + place.planes, g, w);
    unpack_scales(block_scales<kFormat>(bytes + place.halves, bytes + place.subs), g, w);
  }
  if constexpr (!StripFormat<kFormat>::kWords) unpack_starts(w);
}

/// The integers of a strip's block as words: of each four columns 0 and 2, then 1 and 3.
struct StripWords {
  __m256i vectors[kBlockValues / 2];  // of two columns of kStripTokens tokens
};

/// The low digits of the strip whose block's first one value is at `one`, as they are multiplied; `words` is
/// where they become words.
template <PackedFormat kFormat>
[[gnu::always_inline]] inline const int8_t* strip_values(const QuantizedRows& x, int64_t one,
                                                         StripWords& words) {
  const int8_t* bytes = x.low + one * kBlockValues;
  if constexpr (!StripFormat<kFormat>::kWords) return bytes;
  for (int k = 0; k < kBlockValues / 4; ++k) {
    const __m256i four = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes) + k);
    words.vectors[2 * k] = even_words(four);
    words.vectors[2 * k + 1] = odd_words(four);
  }
  return reinterpret_cast<const int8_t*>(words.vectors);
}

/// A token in a block, its low digits as strip_values has them (those of step k are at 4 * kStripTokens * k),
/// and the sums of 16 rows a group that its products are added to.
struct StripToken : BlockInput {
  float* sums;
};

/// What the high digits of a token add to the integer dot products of vector v of rows.
template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline __m256i high_dot(const StripWeights<kFormat, kGroups>& w, const StripToken& x,
                                               int v) {
  using Weights = StripWeights<kFormat, kGroups>;
  using Format = StripFormat<kFormat>;
  const __m256i high = repeat_four(x.high);
  if constexpr (Format::kWords) {
    const auto shifted = [](__m256i words) { return _mm256_slli_epi16(words, kHighBits); };
    const __m256i even = shifted(_mm256_srai_epi16(_mm256_slli_epi16(high, 8), 8));
    const __m256i odd = shifted(_mm256_srai_epi16(high, 8));
    return _mm256_add_epi32(_mm256_madd_epi16(even, w.codes[0][2 * x.high_group][v]),
                            _mm256_madd_epi16(odd, w.codes[0][2 * x.high_group + 1][v]));
  } else {
    const int s = Format::kSplit ? x.high_group / Weights::kSteps : 0;
    const __m256i codes = w.codes[s][x.high_group % Weights::kSteps][v];
    const __m256i dot = Format::kTaken == 0
                            ? _mm256_maddubs_epi16(codes, high)
                            : _mm256_maddubs_epi16(_mm256_abs_epi8(high), _mm256_sign_epi8(codes, high));
    const __m256i factors =
        Format::kSplit ? _mm256_slli_epi16(w.factors[s][v], kHighBits) : _mm256_set1_epi16(1 << kHighBits);
    return _mm256_madd_epi16(dot, factors);
  }
}

/// The integer dot products of a block's weights with two tokens, but for what was taken from the codes of a
/// format with a minimum.
template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void multiply_block(const StripWeights<kFormat, kGroups>& w,
                                                  const StripToken (&x)[2], __m256i (&dots)[2][2 * kGroups]) {
  using Weights = StripWeights<kFormat, kGroups>;
  using Format = StripFormat<kFormat>;
  constexpr bool kWords = Format::kWords;
#pragma GCC unroll 2
  for (int s = 0; s < Weights::kSums; ++s) {
    __m256i sums[2][Weights::kRows];
    for (auto& token : sums) {
      for (int v = 0; v < Weights::kRows; ++v) token[v] = kWords ? _mm256_setzero_si256() : w.starts[s][v];
    }
#pragma GCC unroll 16
    for (int k = 0; k < Weights::kSteps; ++k) {
      __m256i values[2];
      for (int t = 0; t < 2; ++t) {
        int32_t step;
        __builtin_memcpy(&step, x[t].low + 4 * kStripTokens * (s * Weights::kSteps + k), sizeof(step));
        values[t] = _mm256_set1_epi32(step);
      }
      for (int v = 0; v < Weights::kRows; ++v) {
        for (int t = 0; t < 2; ++t) {
          const __m256i codes = w.codes[s][k][v];
          sums[t][v] = kWords ? _mm256_add_epi32(sums[t][v], _mm256_madd_epi16(values[t], codes))
                              : _mm256_add_epi16(sums[t][v], _mm256_maddubs_epi16(values[t], codes));
        }
      }
    }
    for (int t = 0; t < 2; ++t) {
      for (int v = 0; v < Weights::kRows; ++v) {
        const __m256i factors = Format::kSplit ? w.factors[s][v] : _mm256_set1_epi16(1);
        const __m256i part = kWords ? sums[t][v] : _mm256_madd_epi16(sums[t][v], factors);
        dots[t][v] = s == 0 ? part : _mm256_add_epi32(dots[t][v], part);
      }
    }
  }
  for (int t = 0; t < 2; ++t) {
    for (int v = 0; v < Weights::kRows; ++v) {
      dots[t][v] = _mm256_add_epi32(dots[t][v], high_dot(w, x[t], v));
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
    const auto broadcast = [](int32_t sum) { return _mm256_set1_ps(static_cast<float>(sum)); };
    for (int r = 0; r < Weights::kRows; ++r) {
      float* at = x[t].sums + 8 * r;
      __m256 sum = _mm256_load_ps(at);
      if constexpr (Format::kRow.has_minimum) {
        const __m256i dot = Format::kTaken == 0 ? dots[t][r] : _mm256_add_epi32(dots[t][r], taken);
        __m256 sum_x = broadcast(x[t].sum);
        if constexpr (Format::kSplit) {  // whole numbers that float32 holds
          sum_x = _mm256_fmadd_ps(broadcast(x[t].first), w.sub_minimums[0][r],
                                  _mm256_fmadd_ps(broadcast(x[t].sum - x[t].first), w.sub_minimums[1][r],
                                                  _mm256_setzero_ps()));  // 0 has no sign
        }
        const __m256 minimum = _mm256_mul_ps(w.minimums[r], sum_x);
        sum = _mm256_fmadd_ps(scale_x, _mm256_fmadd_ps(w.scales[r], _mm256_cvtepi32_ps(dot), minimum), sum);
      } else {
        sum = _mm256_fmadd_ps(_mm256_mul_ps(w.scales[r], scale_x), _mm256_cvtepi32_ps(dots[t][r]), sum);
      }
      _mm256_store_ps(at, sum);
    }
  }
}

constexpr int kTogether = 64;  // tokens whose sums stay in the first cache

/// n_tokens tokens from `token` on, at most kTogether.
template <PackedFormat kFormat, int kGroups>
void strips_tile(const Product& p, int group, int token, int n_tokens) {
  const QuantizedRows& x = p.x.quantized;
  const int n_blocks = p.w.n_cols / kBlockValues;
  alignas(64) StripWeights<kFormat, kGroups> w;
  alignas(64) float sums[kTogether][kGroups * kLanes];
  __builtin_memset(sums, 0, static_cast<size_t>(n_tokens) * sizeof(sums[0]));
  StripWords words;
  for (int block = 0; block < n_blocks; ++block) {
    fetch_ahead<kFormat, kGroups>(p, group, block);
    unpack_block(p, group, block, w);
    for (int strip = 0; strip < n_tokens; strip += kStripTokens) {
      const StripPlace place(token + strip, 0, kStripTokens, n_blocks);
      const int8_t* low = strip_values<kFormat>(x, place.one(block), words);
      const auto strip_token = [&](int t) {
        StripToken one{block_input(x, place, block, t), sums[strip + t]};
        one.low = low + int64_t{4} * t;
        return one;
      };
      for (int t = 0; t < kStripTokens; t += 2) add_block(w, {strip_token(t), strip_token(t + 1)});
    }
  }
  for (int t = 0; t < n_tokens; ++t) {
    for (int g = 0; g < kGroups; ++g) p.store(group + g, token + t, load(sums[t] + g * kLanes));
  }
}

/// The whole strips from `token` on. Returns where they end.
template <PackedFormat kFormat>
int multiply_strips(const Product& p, const Groups& groups, int token) {
  const int end = token + (p.x.n_tokens - token) / kStripTokens * kStripTokens;
  for (; token < end; token += kTogether) {
    const int n = std::min(kTogether, end - token);
    for_group_tiles<kStripTokens, kStripGroups>(groups, [&](auto count, const TileGroups& tile) {
      strips_tile<kFormat, count>(p, tile.first, token, n);
    });
  }
  return end;
}
