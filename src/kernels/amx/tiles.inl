// Products of whole strips on AMX. A tile instruction multiplies the digits of 16 tokens in a block, a
// row of 64 bytes each (StripLayout::kTiles), with a tile of codes, and adds the exact integers to a tile of
// sums. Where 8 times a code is a byte, the tile of codes has it beside the high digits, and the sums are the
// block's dot products; else the high digits have sums of their own. Sums go to the first cache, where
// vectors of 16 rows take them. Included inside the namespace of the level, after the generic kernels and
// products of strips of 8.

constexpr int kTileLines = 16;  // of codes: four bytes of 16 rows each

/// What LDTILECFG reads (Intel SDM vol. 1, 18.3.1): all tiles are of 16 rows of 64 bytes. 0 has digits, those
/// from 1 on sums, those down from 7 the codes of a product's parts.
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  std::array<uint8_t, 14> reserved{};
  std::array<uint16_t, 16> row_bytes{64, 64, 64, 64, 64, 64, 64, 64};
  std::array<uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(kStripTokens == 16 && kTileLines == 16 && kLineBytes == 64);

template <int kTile>
[[gnu::always_inline]] inline void load_tile(const void* from) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(kLineBytes), "i"(kTile) : "memory");
}
template <int kTile>
[[gnu::always_inline]] inline void store_tile(void* to) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(kLineBytes), "i"(kTile) : "memory");
}
/// sums = digits * codes, of signed or of unsigned bytes.
template <int kSums, int kDigits, int kCodes, bool kSigned>
[[gnu::always_inline]] inline void multiply_tile() {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(kSums));
  if constexpr (kSigned) {
    __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kDigits), "i"(kCodes));
  } else {
    __asm__ volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kDigits), "i"(kCodes));
  }
}

/// The parts of a group's product: one or, where the halves of a block have scales of their own, two; and
/// that of the high digits, where they have sums of their own.
template <PackedFormat kFormat>
struct TileFormat {
  static constexpr bool kSplit = BlockDots<kFormat, 1>::kSplit;
  static constexpr bool kEightfold = BlockDots<kFormat, 1>::Sum::kTakesEightfold;
  static constexpr bool kSigned = !format_row(kFormat).has_minimum;  // codes less their offset
  static constexpr int kHighPart = kSplit ? 2 : 1;                   // unless kEightfold
  static constexpr int kParts = kHighPart + (kEightfold ? 0 : 1);
};

/// The codes of a block of the groups of a tile, part by part.
template <PackedFormat kFormat, int kGroups>
class TileCodes {
  using Format = TileFormat<kFormat>;

 public:
  static constexpr int kParts = kGroups * Format::kParts;

  TileCodes() {
    if constexpr (Format::kParts > 1)
      __builtin_memset(lines_, 0, sizeof(lines_));  // where a part has no column
  }

  template <int kGroup = 0>
  [[gnu::always_inline]] void unpack(const PackedBlock<kFormat>& packed) {
    constexpr int kLow = kGroup + kGroup / 4 * 4;  // the line that meets the low digits
    constexpr int kHigh = kLow + 4;
    constexpr int kPart = Format::kSplit ? kGroup / 4 : 0;
    for (int g = 0; g < kGroups; ++g) {
      const Bytes codes = packed.template codes<kGroup>(g);
      store(g, kPart, kLow, codes, 1);
      if constexpr (Format::kEightfold) {
        store(g, kPart, kHigh, eight_times(codes), 8);
      } else {
        store(g, Format::kHighPart, kHigh, codes, 1);
      }
    }
    if constexpr (kGroup + 1 < kBlockValues / 4) unpack<kGroup + 1>(packed);
  }
  /// Into their registers.
  template <int kPart = 0>
  [[gnu::always_inline]] void load() const {
    load_tile<7 - kPart>(lines_[kPart]);
    if constexpr (kPart + 1 < kParts) load<kPart + 1>();
  }

 private:
  [[gnu::always_inline]] void store(int g, int part, int line, const Bytes& codes, int times) {
    const int offset = Format::kSigned ? format_row(kFormat).offset * times : 0;
    _mm512_store_si512(lines_[g * Format::kParts + part][line],
                       _mm512_sub_epi8(codes.v, _mm512_set1_epi8(static_cast<char>(offset))));
  }

  alignas(64) std::byte lines_[kParts][kTileLines][kLineBytes];
};

/// The sums of a strip.
template <int kParts>
struct TileSums {
  alignas(64) int32_t parts[kParts][kStripTokens][kLanes];
};

/// Those of one group.
struct GroupSums {
  const int32_t* first;  // token 0 of part 0

  [[nodiscard]] [[gnu::always_inline]] I32 part(int i, int token) const {
    return {_mm512_load_si512(first + (i * kStripTokens + token) * kLanes)};
  }
};

/// A pointer of which the compiler knows no more than its value. It would keep an address for each row
/// otherwise, in vector registers, from where to fetch one takes as long as a product.
template <typename T>
[[gnu::always_inline]] inline T* opaque(T* p) {
  __asm__("" : "+r"(p));
  return p;
}

/// The scales of a block of 16 rows, and the integer sub-scales of its halves as the words that vpdpwssd
/// wants.
struct TileScales : BlockScales {
  I32 halves[2];  // where they are whole dot products: both in one
};
struct BlockTileScales {
  TileScales scales;
  I32 high[2];  // the same for the high digits of each half
};

template <PackedFormat kFormat>
[[gnu::always_inline]] inline BlockTileScales tile_scales(const BlockScales& of_block) {
  using Format = TileFormat<kFormat>;
  BlockTileScales r;
  static_cast<BlockScales&>(r.scales) = of_block;
  if constexpr (!Format::kSplit) return r;
  const I32 low_word = set1(int32_t{0xFFFF});
  const I32 halves[] = {of_block.first, of_block.second};
  if constexpr (Format::kEightfold) {
    r.scales.halves[0] = (halves[0] & low_word) | shift_left<16>(halves[1]);
  } else {
    for (int half = 0; half < 2; ++half) {  // 256 times a byte is a word
      r.scales.halves[half] = (halves[half] & low_word) | shift_left<24>(halves[half]);
      r.high[half] = shift_left<kHighBits>(halves[half]) & low_word;
    }
  }
  return r;
}

/// The first byte of each integer as a word, and the next two as another.
[[gnu::always_inline]] inline __m512i byte_and_rest(I32 a) {
  const __m128i order = _mm_setr_epi8(0, -1, 1, 2, 4, -1, 5, 6, 8, -1, 9, 10, 12, -1, 13, 14);
  return _mm512_shuffle_epi8(a.v, _mm512_broadcast_i32x4(order));
}

/// The integer dot product of a block with a token: what meets the scale.
template <PackedFormat kFormat>
[[gnu::always_inline]] inline I32 tile_dot(const GroupSums& sums, int token, const TileScales& scales,
                                           const I32& high_scales) {
  using Format = TileFormat<kFormat>;
  if constexpr (!Format::kSplit) {
    if constexpr (Format::kEightfold) return sums.part(0, token);
    return sums.part(0, token) + shift_left<kHighBits>(sums.part(Format::kHighPart, token));
  } else if constexpr (Format::kEightfold) {  // words hold them
    constexpr __mmask32 kOdd = 0xAAAAAAAA;
    const __m512i dots =
        _mm512_mask_blend_epi16(kOdd, sums.part(0, token).v, shift_left<16>(sums.part(1, token)).v);
    return {_mm512_madd_epi16(dots, scales.halves[0].v)};
  } else {  // a word holds those of the high digits
    __m512i dot = _mm512_madd_epi16(sums.part(Format::kHighPart, token).v, high_scales.v);
    for (int half = 0; half < 2; ++half) {
      dot = _mm512_dpwssd_epi32(dot, byte_and_rest(sums.part(half, token)), scales.halves[half].v);
    }
    return {dot};
  }
}

/// Exactly to_float, of magnitudes below 2^22. Beside tiles only one of a core's two pipes multiplies and
/// converts, while both add.
[[gnu::always_inline]] inline F32 to_float_by_adding(I32 a) {
  const F32 magic = set1(0x1.8p23F);  // a float whose last bit is worth 1
  return from_bits(a + bits(magic)) - magic;
}

/// What meets the minimum: whole numbers that float32 holds.
template <PackedFormat kFormat>
[[gnu::always_inline]] inline F32 minimum_factor(const BlockScales& scales, int32_t sum, int32_t first) {
  const F32 whole = to_float_by_adding(set1(sum));
  if constexpr (!TileFormat<kFormat>::kSplit) return whole;
  const F32 of_first = to_float_by_adding(set1(first));
  const F32 of_second = fma(whole - of_first, to_float(scales.minimum1), set1(0.0F));  // 0 has no sign
  return fma(of_first, to_float(scales.minimum0), of_second);
}

/// A strip in a block.
struct Step {
  int block;
  int strip;

  [[nodiscard]] Step next(int n_strips) const {
    return strip + 1 == n_strips ? Step{block + 1, 0} : Step{block, strip + 1};
  }
};

/// Adds a step's sums to those of a quarter of its tokens: of group g and token t at acc[g * kTogether + t].
/// `one` is where what the block has one of is.
template <PackedFormat kFormat, int kQuarter, int kGroups, int kParts>
[[gnu::always_inline]] inline void add_quarter(const BlockTileScales (&of_block)[kGroups],
                                               const TileSums<kParts>& sums, const QuantizedRows& x,
                                               int64_t one, F32* acc) {
  constexpr int kTokens = kStripTokens / 4;
  constexpr int kFirst = kQuarter * kTokens;
  const float* scales_x = opaque(x.scales + one);
  const int32_t* first = opaque(&sums.parts[0][0][0]);
  TileScales scales[kGroups];
  for (int g = 0; g < kGroups; ++g) scales[g] = of_block[g].scales;
#pragma GCC unroll 4
  for (int t = kFirst; t < kFirst + kTokens; ++t) {
    const F32 scale_x = set1(scales_x[t]);
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      const GroupSums of_group{first + g * TileFormat<kFormat>::kParts * kStripTokens * kLanes};
      const I32 dot = tile_dot<kFormat>(of_group, t, scales[g], of_block[g].high[x.high_groups[one + t] / 4]);
      F32& a = acc[g * kTogether + t];
      if constexpr (format_row(kFormat).has_minimum) {  // all of them have small dot products
        const F32 factor = minimum_factor<kFormat>(scales[g], x.sums[one + t], x.firsts[one + t]);
        a = fma(scale_x, fma(scales[g].scale, to_float_by_adding(dot), scales[g].minimum * factor), a);
      } else {
        a = fma(scales[g].scale * scale_x, to_float(dot), a);
      }
    }
  }
}

template <typename Add>
[[gnu::always_inline]] inline void add_quarters(const Add& add) {
  add(std::integral_constant<int, 0>());
  add(std::integral_constant<int, 1>());
  add(std::integral_constant<int, 2>());
  add(std::integral_constant<int, 3>());
}

/// Multiplies the digits in their register with the codes of kParts parts, from kPart on; stores sums; and in
/// between calls add(quarter) for the second and third quarter of a step. kAhead: the sums of all parts have
/// registers. Those stored are then of the step before the one that is multiplied. What is stored before the
/// first and multiplied after the last one nobody reads.
template <PackedFormat kFormat, bool kAhead, int kPart = 0, int kParts, typename Add>
[[gnu::always_inline]] inline void multiply_parts(TileSums<kParts>& sums, const Add& add) {
  constexpr int kSumTiles = kAhead ? kParts : kParts <= 4 ? 2 : 1;
  constexpr bool kIsPart = kPart < kParts;
  constexpr int kStored = kAhead ? kPart : kPart - 1;
  const auto store = [&] {
    if constexpr (kStored >= 0 && kStored < kParts) store_tile<1 + kStored % kSumTiles>(sums.parts[kStored]);
  };
  if constexpr (kSumTiles == 1 || kAhead) store();
  if constexpr (kIsPart) multiply_tile<1 + kPart % kSumTiles, 0, 7 - kPart, TileFormat<kFormat>::kSigned>();
  if constexpr (kSumTiles != 1 && !kAhead) store();
  if constexpr (kIsPart) {
    if constexpr (kPart == (kParts - 1) / 2) add(std::integral_constant<int, 1>());
    if constexpr (kPart == kParts - 1) add(std::integral_constant<int, 2>());
    multiply_parts<kFormat, kAhead, kPart + 1>(sums, add);
  }
}

/// n_strips strips from `token` on, at most kTogether tokens. While tiles are multiplied, vectors take the
/// sums of the step before. After the first step of a block the next one is unpacked, or the one after it: a
/// tile waits long for what was just stored.
template <PackedFormat kFormat, int kGroups>
void tiles_of_groups(const Product& p, const TileGroups& groups, int token, int n_strips) {
  using Codes = TileCodes<kFormat, kGroups>;
  constexpr bool kAhead = 1 + 2 * Codes::kParts <= 8;
  const QuantizedRows x = p.x.quantized;
  const int n_blocks = p.w.n_cols / kBlockValues;
  const int n_steps = n_blocks * n_strips;
  const int lead = n_strips == 1 ? 2 : 1;  // blocks by which codes are unpacked ahead
  alignas(64) F32 acc[kGroups * kTogether];
  for (int g = 0; g < kGroups; ++g) std::fill_n(acc + g * kTogether, n_strips * kStripTokens, set1(0.0F));
  Codes codes[2];                      // of every other block
  BlockTileScales scales[4][kGroups];  // of a few blocks, in turns
  TileSums<Codes::kParts> sums[2];     // of every other step
  const auto place = [&](const Step& step) {
    return StripPlace(token + step.strip * kStripTokens, 0, kStripTokens, n_blocks);
  };
  const auto unpack = [&](int block) {
    fetch_ahead<kGroups>(p, groups.first, block);
    const auto packed = packed_block<kFormat>(p, groups, block);
    codes[block % 2].unpack(packed);
    for (int g = 0; g < kGroups; ++g) scales[block % 4][g] = tile_scales<kFormat>(packed.scales(g));
  };
  const auto load = [&](const Step& step) {
    if (step.strip == 0) codes[step.block % 2].load();
    load_tile<0>(x.low + place(step).values(step.block));
  };
  const auto add_to_acc = [&](const Step& step, int i) {
    const int64_t one = place(step).one(step.block);
    F32* to = opaque(acc + step.strip * kStripTokens);
    return [&, step, i, one, to](auto quarter) {
      add_quarter<kFormat, quarter>(scales[step.block % 4], sums[i % 2], x, one, to);
    };
  };
  const auto multiply = [&](const Step& step, int i, const auto& add) {
    if (kAhead && i + 1 < n_steps) load(step.next(n_strips));
    if (!kAhead && i > 0) load(step);
    add(std::integral_constant<int, 0>());
    multiply_parts<kFormat, kAhead>(sums[i % 2], add);
    add(std::integral_constant<int, 3>());
    if (step.strip == 0 && step.block + lead < n_blocks) unpack(step.block + lead);
  };

  Step step{0, 0};
  for (int block = 0; block < lead && block < n_blocks; ++block) unpack(block);
  load(step);
  if constexpr (kAhead) multiply_parts<kFormat, kAhead>(sums[0], [](auto) {});
  multiply(step, 0, [](auto) {});
  for (int i = 1; i < n_steps; ++i) {
    const auto add = add_to_acc(step, i - 1);
    step = step.next(n_strips);
    multiply(step, i, add);
  }
  add_quarters(add_to_acc(step, n_steps - 1));
  for (int g = 0; g < kGroups; ++g) {
    for (int t = 0; t < n_strips * kStripTokens; ++t) p.store(groups[g], token + t, acc[g * kTogether + t]);
  }
}

/// The whole strips. Returns where they end.
template <PackedFormat kFormat>
int multiply_tiles(const Product& p, const Groups& groups) {
  const int end = p.x.n_tokens / kStripTokens * kStripTokens;
  if (end == 0) return 0;
  static constexpr TileShapes kShapes;
  _tile_loadconfig(&kShapes);
  for (int token = 0; token < end; token += kTogether) {
    const int n_strips = std::min(kTogether, end - token) / kStripTokens;
    for_group_tiles<kStripTokens, kStripGroups>(groups, [&](auto count, const TileGroups& tile) {
      tiles_of_groups<kFormat, count>(p, tile, token, n_strips);
    });
  }
  _tile_release();  // so that the system need not save them
  return end;
}
