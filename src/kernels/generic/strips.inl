// Products of whole strips. The sums of many tokens stay in the first cache, so that a block is unpacked once
// for all of them, and its fine digits find others to be multiplied with. Included inside the namespace of a
// level, after the other kernels.

constexpr int kTogether = 64;  // tokens whose sums stay in the first cache

/// A block of the groups of a tile, unpacked.
template <PackedFormat kFormat, int kGroups>
class UnpackedBlock {
 public:
  static constexpr bool kStream = false;

  template <int kGroup = 0>
  [[gnu::always_inline]] void unpack(const PackedBlock<kFormat>& packed) {
    for (int g = 0; g < kGroups; ++g) codes_[kGroup][g] = packed.template codes<kGroup>(g);
    if constexpr (kGroup + 1 < kBlockValues / 4) {
      unpack<kGroup + 1>(packed);
    } else {
      for (int g = 0; g < kGroups; ++g) scales_[g] = packed.scales(g);
    }
  }

  template <int kGroup>
  [[nodiscard]] [[gnu::always_inline]] Bytes codes(int g) const {
    return codes_[kGroup][g];
  }
  [[nodiscard]] [[gnu::always_inline]] BlockScales scales(int g) const { return scales_[g]; }

 private:
  Bytes codes_[kBlockValues / 4][kGroups];
  BlockScales scales_[kGroups];
};

/// n_tokens tokens from `token` on, at most kTogether. The fine digits of a block follow the coarse ones of
/// all tokens.
template <PackedFormat kFormat, int kGroups>
void strips_tile(const Product& p, const TileGroups& groups, int token, int n_tokens) {
  const QuantizedRows& x = p.x.quantized;
  const int n_blocks = p.w.n_cols / kBlockValues;
  alignas(64) F32 acc[kGroups * kTogether];
  for (F32& a : acc) a = set1(0.0F);
  UnpackedBlock<kFormat, kGroups> w;
  for (int block = 0; block < n_blocks; ++block) {
    fetch_ahead<kGroups>(p, groups.first, block);
    w.unpack(packed_block<kFormat>(p, groups, block));
    BlockInput fine[kTogether];
    int n_fine = 0;
    for (int strip = 0; strip < n_tokens; strip += kStripTokens) {
      const StripPlace place{int64_t{token + strip} * n_blocks, 0, kStripTokens};
      for (int first = 0; first < kStripTokens; first += kStripTileTokens) {
        BlockInput coarse[kStripTileTokens];
        for (int t = 0; t < kStripTileTokens; ++t) {
          coarse[t] = block_input<CoarseDigit>(x, place, block, first + t, strip + first + t);
        }
        add_block<kFormat, kStripTokens, kTogether, kGroups>(w, coarse, acc);
      }
      uint64_t is_fine;  // a byte a token
      __builtin_memcpy(&is_fine, x.is_fine + place.one(block), sizeof(is_fine));
      for (; is_fine != 0; is_fine &= is_fine - 1) {
        const int t = __builtin_ctzll(is_fine) / 8;
        fine[n_fine++] = block_input<FineDigit>(x, place, block, t, strip + t);
      }
    }
    add_inputs<kFormat, kStripTokens, kTogether, kGroups, kStripTileTokens>(
        w, 0, n_fine, [&](int i) { return fine[i]; }, acc);
  }
  for (int g = 0; g < kGroups; ++g) {
    for (int t = 0; t < n_tokens; ++t) p.store(groups[g], token + t, acc[g * kTogether + t]);
  }
}

/// The first n_tokens tokens, whole strips.
template <PackedFormat kFormat>
void multiply_strips(const Product& p, const Groups& groups, int n_tokens) {
  for (int token = 0; token < n_tokens; token += kTogether) {
    const int n = std::min(kTogether, n_tokens - token);
    for_group_tiles<kStripTokens, kStripGroups>(
        groups, [&](auto count, const TileGroups& tile) { strips_tile<kFormat, count>(p, tile, token, n); });
  }
}
