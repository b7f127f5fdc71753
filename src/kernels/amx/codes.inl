// The codes of packed blocks as tiles of bfloat16, which holds whole numbers of 8 bits and a sign. Included
// inside the namespace of the level, after the generic kernels.

constexpr int kTileLines = 16;
constexpr int64_t kTileBytes = int64_t{kTileLines} * kLineBytes;

/// The bytes from one line of a tile to the next, for one instruction: GCC would keep them for all, where
/// registers are few in a vector register, from where they come by the port that multiplies.
[[gnu::always_inline]] inline int64_t line_stride() {
  int64_t stride = kLineBytes;
  __asm__ volatile("" : "+r"(stride));
  return stride;
}

template <int kTile>
[[gnu::always_inline]] inline void load_tile(const void* from) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(line_stride()), "i"(kTile) : "memory");
}
template <int kTile>
[[gnu::always_inline]] inline void store_tile(void* to) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(line_stride()), "i"(kTile) : "memory");
}
template <int kSums>
[[gnu::always_inline]] inline void zero_tile() {
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(kSums));
}
/// sums += integers * codes.
template <int kSums, int kCodes, int kIntegers = 0>
[[gnu::always_inline]] inline void multiply_tile() {
  __asm__ volatile("tdpbf16ps %%tmm%c1, %%tmm%c2, %%tmm%c0" ::"i"(kSums), "i"(kCodes), "i"(kIntegers));
}

/// The tiles of a step, the product of a strip with a block of kGroups groups: those of sums are group after
/// group, digit after digit; each has one or two tiles of codes.
template <PackedFormat kFormat, int kGroups>
struct StepTiles {
  static constexpr FormatRow kRow = format_row(kFormat);
  static constexpr bool kHalves = BlockDots<kFormat, 1>::kSplit;  // have sub-scales each:
  static constexpr bool kScaled = kHalves && kRow.code_bits < 6;  // 8 bits hold those times codes
  static constexpr bool kDigits = kHalves && !kScaled;            // else two digits, with sums each
  static constexpr bool kTwoParts = kRow.code_bits == 8 || (kScaled && kRow.offset != 0);
  static constexpr int kOfGroup = kDigits ? 2 : 1;
  static constexpr int kSums = kGroups * kOfGroup;
  static constexpr int kCodesOfSum = kTwoParts ? 2 : 1;  // whose sum a code is
  static constexpr int kCodes = kSums * kCodesOfSum;
  static constexpr int kFirstCodes = 1 + kSums;                 // register
  static constexpr int kLast = kDigits ? 7 : 8;                 // which has what digits have too much
  static constexpr bool kHeld = kFirstCodes + kCodes <= kLast;  // for all strips; else codes take turns
  static_assert(kHeld || !kTwoParts);
  template <int kCode>
  static constexpr int kRegister = kFirstCodes + kCode % (kLast - kFirstCodes);
};

/// The bfloat16 that codes of kBits bits stand for, 5 or 6.
template <int kBits>
class CodeTable {
 public:
  template <typename Value>
  explicit constexpr CodeTable(const Value& value) {
    for (int i = 0; i < kEntries; ++i) {
      const auto whole = static_cast<float>(value(i));
      entries_[i] = static_cast<uint16_t>(__builtin_bit_cast(uint32_t, whole) >> 16);
    }
  }
  /// Of the words of `codes`, the last kBits of each.
  [[nodiscard]] [[gnu::always_inline]] __m512i of(__m512i codes) const {
    const __m512i first = _mm512_load_si512(entries_);
    if constexpr (kBits == 5) {
      return _mm512_permutexvar_epi16(codes, first);
    } else {
      return _mm512_permutex2var_epi16(first, codes, _mm512_load_si512(entries_ + kEntries / 2));
    }
  }

 private:
  static constexpr int kEntries = 1 << kBits;
  alignas(64) uint16_t entries_[kEntries]{};
};

/// The same of 4 bits, byte by byte: of a vector of codes in both halves of each byte, it takes fewer
/// operations on the port that sums of tiles leave by.
class NibbleTable {
 public:
  template <typename Value>
  explicit constexpr NibbleTable(const Value& value) {
    for (int i = 0; i < 16; ++i) {
      const uint32_t bits = __builtin_bit_cast(uint32_t, static_cast<float>(value(i)));
      bytes_[i] = static_cast<uint8_t>(bits >> 16);
      bytes_[kHigh + i] = static_cast<uint8_t>(bits >> 24);
    }
  }
  /// Of the low half of each byte of `codes`, which has every byte twice.
  [[nodiscard]] [[gnu::always_inline]] __m512i of(__m512i codes) const {
    constexpr int kAndThenOr = 0xEA;
    const __m512i places =
        _mm512_ternarylogic_epi32(codes, _mm512_set1_epi8(0xF), _mm512_set1_epi16(kHigh << 8), kAndThenOr);
    return _mm512_permutexvar_epi8(places, _mm512_load_si512(bytes_));
  }

 private:
  static constexpr int kHigh = 32;  // where the upper bytes begin
  alignas(64) uint8_t bytes_[64]{};
};

template <PackedFormat kFormat>
constexpr int code_value(int code) {
  constexpr int kOffset = format_row(kFormat).offset;
  return (kFormat == PackedFormat::kIQ4_NL ? kIq4NlValues[code] : code) - kOffset;
}

/// What digits have too much, 16384 + 4096 + 128, as codes that are multiplied too.
struct SurplusTile {
  constexpr SurplusTile() {
    for (auto& line : lines) {
      for (uint16_t& word : line) word = 0xC6A1;  // -20608
    }
  }
  alignas(64) uint16_t lines[kTileLines][2 * kLanes]{};
};
constexpr int kSurplus = 7;  // register

/// Into its register, where a format has digits.
template <PackedFormat kFormat>
inline void load_surplus() {
  static constexpr SurplusTile kTile;
  if constexpr (StepTiles<kFormat, 1>::kDigits) load_tile<kSurplus>(kTile.lines);
}

/// The codes of a step as tiles want them: a line has two columns of 16 rows.
template <PackedFormat kFormat, int kGroups>
class TileCodes {
  using Tiles = StepTiles<kFormat, kGroups>;

 public:
  template <int kGroup = 0>
  [[gnu::always_inline]] void unpack(const PackedBlock<kFormat>& packed,
                                     const BlockScales (&scales)[kGroups]) {
    if constexpr (Tiles::kRow.code_bits == 4) {
      unpack_nibbles(packed);
    } else {
      for (int g = 0; g < kGroups; ++g) {
        const __m512i codes = packed.template codes<kGroup>(g).v;
        const int tile = g * Tiles::kOfGroup * Tiles::kCodesOfSum;
        if constexpr (Tiles::kDigits) {
          put_digits<kGroup>(tile, codes, kGroup < 4 ? scales[g].first : scales[g].second);
        } else {
          put<kGroup>(tile, 2 * kGroup, codes, scales[g]);  // the even columns, then the odd ones
          put<kGroup>(tile, 2 * kGroup + 1, _mm512_srli_epi16(codes, 8), scales[g]);
        }
      }
      if constexpr (kGroup + 1 < kBlockValues / 4) unpack<kGroup + 1>(packed, scales);
    }
  }
  /// Those of tile kSum of sums into a register, or into that and the next one.
  template <int kSum, int kRegister>
  [[gnu::always_inline]] void load() const {
    constexpr int kFirst = kSum * Tiles::kCodesOfSum;
    load_tile<kRegister>(lines_[kFirst]);
    if constexpr (Tiles::kTwoParts) load_tile<kRegister + 1>(lines_[kFirst + 1]);
  }

 private:
  [[gnu::always_inline]] void unpack_nibbles(const PackedBlock<kFormat>& packed) {
    static constexpr NibbleTable kTable(code_value<kFormat>);
    const __m512i twice_even = _mm512_set4_epi32(0x0E0E0C0C, 0x0A0A0808, 0x06060404, 0x02020000);
    const __m512i twice_odd = _mm512_add_epi8(twice_even, _mm512_set1_epi8(1));
    for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        const __m512i codes = packed.vector(g, k).v;
        const __m512i even = _mm512_shuffle_epi8(codes, twice_even);
        const __m512i odd = _mm512_shuffle_epi8(codes, twice_odd);
        const auto put = [&](int line, __m512i of) { _mm512_store_si512(lines_[g][line], kTable.of(of)); };
        put(2 * k, even);
        put(2 * k + 1, odd);
        put(2 * k + 8, _mm512_srli_epi16(even, 4));
        put(2 * k + 9, _mm512_srli_epi16(odd, 4));
      }
    }
  }

  /// Those in the last bits of words; of even columns the bits above are a neighbour's.
  template <int kGroup>
  [[gnu::always_inline]] void put(int tile, int line, __m512i codes, const BlockScales& scales) {
    if constexpr (Tiles::kScaled) codes = scaled(codes, kGroup < 4 ? scales.first : scales.second);
    if constexpr (Tiles::kTwoParts) {
      // As bfloat16, 0x4300 | (c & 127) is 128 + (c & 127), and 0xC300 | (~c & 128) is -128 where c >= 128,
      // else -256: together c - 128; with the other signs 128 - c.
      constexpr int kSign = Tiles::kScaled ? 0x8000 : 0;
      constexpr int kAndThenOr = 0xEA;
      constexpr int kNotAndThenOr = 0xAE;
      _mm512_store_si512(lines_[tile][line],
                         _mm512_ternarylogic_epi32(codes, words(0x7F), words(0x4300 ^ kSign), kAndThenOr));
      _mm512_store_si512(lines_[tile + 1][line],
                         _mm512_ternarylogic_epi32(codes, words(0x80), words(0xC300 ^ kSign), kNotAndThenOr));
    } else {
      static constexpr CodeTable<Tiles::kScaled ? 6 : Tiles::kRow.code_bits> kTable(code_value<kFormat>);
      _mm512_store_si512(lines_[tile][line], kTable.of(codes));
    }
  }

  /// The digits of codes times the sub-scales of their rows. With 4096 more the products of -32 to 31 with
  /// -128 to 127 are 0 to 8192, or 128 a + b. As bfloat16, 0x4680 | a is 16384 + 128 a, and 0x4300 | b is 128
  /// + b.
  template <int kGroup>
  [[gnu::always_inline]] void put_digits(int tile, __m512i codes, I32 sub_scale) {
    static_assert(kFormat == PackedFormat::kQ6_K);
    constexpr int kAndThenOr = 0xEA;
    const I32 twice = (sub_scale & set1(int32_t{0xFFFF})) | shift_left<16>(sub_scale);
    const __m512i rest = _mm512_sub_epi16(words(4096), _mm512_slli_epi16(twice.v, 5));
    const __m512i of_even = _mm512_and_si512(twice.v, words(0xFF));
    for (int odd = 0; odd < 2; ++odd) {
      const __m512i factors = odd == 0 ? of_even : _mm512_slli_epi16(twice.v, 8);
      const __m512i products = _mm512_add_epi16(_mm512_maddubs_epi16(codes, factors), rest);
      const int line = 2 * kGroup + odd;
      _mm512_store_si512(lines_[tile][line], _mm512_or_si512(_mm512_srli_epi16(products, 7), words(0x4680)));
      _mm512_store_si512(lines_[tile + 1][line],
                         _mm512_ternarylogic_epi32(products, words(0x7F), words(0x4300), kAndThenOr));
    }
  }

  [[gnu::always_inline]] static __m512i words(int word) {
    return _mm512_set1_epi16(static_cast<int16_t>(word));
  }

  /// Codes times the sub-scales of their rows, 0 to 45; where they have an offset 128 less the product: of -4
  /// to 3 with -32 to 31, 0 to 252.
  [[gnu::always_inline]] static __m512i scaled(__m512i codes, I32 sub_scale) {
    constexpr int kOffset = Tiles::kRow.offset;
    static_assert(kFormat == (kOffset == 0 ? PackedFormat::kQ2_K : PackedFormat::kQ3_K));
    const I32 twice = (sub_scale & set1(int32_t{0xFFFF})) | shift_left<16>(sub_scale);
    const __m512i product = _mm512_mullo_epi16(_mm512_and_si512(codes, words(0xFF)), twice.v);
    if constexpr (kOffset == 0) return product;
    const __m512i of_offset = _mm512_mullo_epi16(words(kOffset), twice.v);
    return _mm512_sub_epi16(_mm512_add_epi16(of_offset, words(128)), product);
  }

  alignas(64) std::byte lines_[Tiles::kCodes][kTileLines][kLineBytes];
};
