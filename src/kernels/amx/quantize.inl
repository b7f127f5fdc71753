// Activations of whole strips as tiles want them. A block of 16 tokens is quantised at once: what each has
// one of, its scale and its sums, is found in a tree whose nodes are shared by several tokens, which takes a
// third of the operations that a tree for each would. Included inside the namespace of the level, after the
// generic kernels.

constexpr int kFewestOfStrip = fewest_of_strip(kStripLayout);

/// Two vectors in halves: what one step of a tree joins lane by lane. Steps 1 to 5 take vectors of one half
/// of a token's block, and then of 1, 2, 4 and 8 tokens.
struct Halves {
  __m512i low, high;
};
template <int kStep>
[[gnu::always_inline]] inline Halves halves(__m512i a, __m512i b) {
  if constexpr (kStep == 1) return {_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)};
  if constexpr (kStep == 2) return {_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)};
  if constexpr (kStep == 3) return {_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xEE)};
  if constexpr (kStep == 4) return {_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xDD)};
  const __m512 x = _mm512_castsi512_ps(a);
  const __m512 y = _mm512_castsi512_ps(b);
  return {_mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)),
          _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xDD))};
}
/// What step 3 joins for the i-th four tokens, of which of_token(t) is what step 1 makes of token t; in such
/// an order that lane t is token t in the end.
template <typename OfToken, typename Join>
[[gnu::always_inline]] inline Halves of_four(int i, const OfToken& of_token, const Join& join) {
  __m512i pairs[2];
#pragma GCC unroll 2
  for (int j = 0; j < 2; ++j) {
    const int pair = 2 * i + j;
    const int t = 4 * (pair % 4) + 2 * (pair / 4);
    pairs[j] = join(halves<2>(of_token(t), of_token(t + 1)));
  }
  return halves<3>(pairs[0], pairs[1]);
}

/// The block's columns of 16 tokens.
struct BlockRows {
  const float* first;
  int64_t stride;
  [[nodiscard]] [[gnu::always_inline]] F32 half(int token, int i) const {
    return load(first + token * stride + i * kLanes);
  }
};

/// The scales of 16 tokens: see scale_block.
[[gnu::always_inline]] inline F32 scales_of_16(const BlockRows& rows) {
  const auto larger = [](const Halves& x) { return _mm512_max_epi32(x.low, x.high); };
  const auto of_token = [&](int t) {  // of two columns of each k-group, and of the two others
    return larger(halves<1>(bits(absolute(rows.half(t, 0))).v, bits(absolute(rows.half(t, 1))).v));
  };
  struct Largest {
    __m512i most, next;
  };
  Largest fours[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Halves x = of_four(i, of_token, larger);
    fours[i] = {larger(x), _mm512_min_epi32(x.low, x.high)};
  }
  const auto join = [](const Halves& most, const Halves& next) {
    return Largest{
        _mm512_max_epi32(most.low, most.high),
        _mm512_max_epi32(_mm512_min_epi32(most.low, most.high), _mm512_max_epi32(next.low, next.high))};
  };
  Largest eights[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Largest& a = fours[2 * i];
    const Largest& b = fours[2 * i + 1];
    eights[i] = join(halves<4>(a.most, b.most), halves<4>(a.next, b.next));
  }
  const Largest all =
      join(halves<5>(eights[0].most, eights[1].most), halves<5>(eights[0].next, eights[1].next));
  const F32 least = from_bits({all.most}) * set1(1.0F / (1 << kHighBits));
  return max(from_bits({all.next}), least) / set1(127.0F);
}

/// The bfloat16 that 32 floats are, the middle two of each four swapped.
[[gnu::always_inline]] inline void store_bfloat16(void* p, F32 a, F32 b) {
  alignas(64) static constexpr uint16_t kUpperWords[32] = {1,  5,  3,  7,  9,  13, 11, 15, 17, 21, 19,
                                                           23, 25, 29, 27, 31, 33, 37, 35, 39, 41, 45,
                                                           43, 47, 49, 53, 51, 55, 57, 61, 59, 63};
  _mm512_storeu_si512(p, _mm512_permutex2var_epi16(bits(a).v, _mm512_load_si512(kUpperWords), bits(b).v));
}

/// Where a block of a strip goes; sums are the bits of floats.
struct QuantizedTile {
  int8_t* integers;
  int32_t* sums;
  int32_t* firsts;
};

/// The integers of 16 tokens and their sums. kIsFinite: all scales are, so that none is above 127, or 1016
/// for a second digit, by more than rounding to 8 bits takes back.
template <bool kIsFinite>
[[gnu::always_inline]] inline void put_block(const BlockRows& rows, F32 scale, const QuantizedTile& out) {
  alignas(64) float inverses[kStripTokens];
  store(inverses, set1(1.0F) / max(scale, set1(kSmallestScale)));
  alignas(64) float most[kStripTokens];
  if constexpr (!kIsFinite) {
    store(most, if_less(scale, set1(__builtin_inff()), set1(kMostOfTwoDigits), set1(127.0F)));
  }
  const auto whole = [&](int t, int half) {
    F32 x = rows.half(t, half) * set1(inverses[t]);
    if constexpr (!kIsFinite) x = limit(x, most[t]);
    return nearest_of_8_bits(x);
  };
  const auto added = [](const Halves& x) { return bits(from_bits({x.low}) + from_bits({x.high})).v; };
  const auto of_token = [&](int t) {
    const F32 a = whole(t, 0);
    const F32 b = whole(t, 1);
    store_bfloat16(out.integers + t * int64_t{kLineBytes}, a, b);
    return added(halves<1>(bits(a).v, bits(b).v));
  };
  __m512i fours[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) fours[i] = added(of_four(i, of_token, added));
  const Halves sums = halves<5>(added(halves<4>(fours[0], fours[1])), added(halves<4>(fours[2], fours[3])));
  _mm512_storeu_si512(out.firsts, sums.low);
  _mm512_storeu_si512(out.sums, added(sums));
}

/// The first n_tokens of them, and then the last one again, in `padded`.
inline BlockRows with_copies(const BlockRows& rows, int n_tokens,
                             float (&padded)[kStripTokens * kBlockValues]) {
  for (int t = 0; t < kStripTokens; ++t) {
    const int from = std::min(t, n_tokens - 1);
    for (int i = 0; i < 2; ++i) store(padded + t * kBlockValues + i * kLanes, rows.half(from, i));
  }
  return {padded, kBlockValues};
}

/// Block `block` of a strip.
[[gnu::always_inline]] inline void quantize_tile(const BlockRows& rows, int block, const QuantizedRows& to) {
  const I32 infinite = bits(set1(__builtin_inff()));
  const int64_t one = int64_t{block} * kStripTokens;
  const QuantizedTile tile{to.low + block * kTileBytes, to.sums + one, to.firsts + one};
  const F32 scale = scales_of_16(rows);
  store(to.scales + one, scale);
  if (_mm512_cmpge_epi32_mask(bits(scale).v, infinite.v) == 0) {
    put_block<true>(rows, scale, tile);
  } else {
    put_block<false>(rows, scale, tile);
  }
}

inline void quantize_tiles(const float* x, int64_t x_stride, int n_tokens, const Columns& columns,
                           const QuantizedRows& out) {
  const int first = columns.first / kBlockValues;
  int strip = 0;
  for (; n_tokens - strip >= kFewestOfStrip; strip += kStripTokens) {
    const QuantizedRows to = out.from(strip, columns.all, kStripLayout);
    const int n = n_tokens - strip;
    for (int b = 0; b < columns.n / kBlockValues; ++b) {
      const BlockRows rows{x + strip * x_stride + int64_t{b} * kBlockValues, x_stride};
      alignas(64) float padded[kStripTokens * kBlockValues];
      quantize_tile(n < kStripTokens ? with_copies(rows, n, padded) : rows, first + b, to);
    }
  }
  if (strip < n_tokens) {
    quantize(x + strip * x_stride, x_stride, n_tokens - strip, columns,
             out.from(strip, columns.all, kStripLayout));
  }
}
