// Products of strips of 8. The sums of many tokens stay in the first cache, so that a block is unpacked once
// for all of them. Included inside the namespace of a level, after the other kernels.

constexpr int kTogether = 64;  // tokens whose sums stay in the first cache
constexpr int kEight = 8;

/// A block of the groups of a tile, unpacked.
template <PackedFormat kFormat, int kGroups>
class UnpackedBlock {
 public:
  static constexpr bool kStream = false;

  template <int kGroup = 0>
  [[gnu::always_inline]] void unpack(const PackedBlock<kFormat>& packed) {
    for (int g = 0; g < kGroups; ++g) {
      codes_[kGroup][g] = packed.template codes<kGroup>(g);
      if constexpr (kHasEightfold) eightfold_[kGroup][g] = eight_times(codes_[kGroup][g]);
    }
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
  [[nodiscard]] [[gnu::always_inline]] Bytes high_codes(int g, int k) const {
    if constexpr (kHasEightfold) return eightfold_[k][g];
    return codes_[k][g];
  }
  [[nodiscard]] [[gnu::always_inline]] BlockScales scales(int g) const { return scales_[g]; }

 private:
  static constexpr bool kHasEightfold = BlockDots<kFormat, 1>::kAddsEightfold;

  Bytes codes_[kBlockValues / 4][kGroups];
  Bytes eightfold_[kHasEightfold ? kBlockValues / 4 : 1][kGroups];
  BlockScales scales_[kGroups];
};

/// n_tokens tokens from `token` on, at most kTogether.
template <PackedFormat kFormat, int kGroups>
void strips_tile(const Product& p, const TileGroups& groups, int token, int n_tokens) {
  const QuantizedRows& x = p.x.quantized;
  const int n_blocks = p.w.n_cols / kBlockValues;
  alignas(64) F32 acc[kGroups * kTogether];
  for (F32& a : acc) a = set1(0.0F);
  UnpackedBlock<kFormat, kGroups> w;
  for (int block = 0; block < n_blocks; ++block) {
    fetch_ahead<kFormat, kGroups>(p, groups.first, block);
    w.unpack(packed_block<kFormat>(p, groups, block));
    for (int strip = 0; strip < n_tokens; strip += kEight) {
      const StripPlace place(token + strip, 0, kEight, n_blocks);
      for (int first = 0; first < kEight; first += kStripTileTokens) {
        BlockInput inputs[kStripTileTokens];
        for (int t = 0; t < kStripTileTokens; ++t) inputs[t] = block_input(x, place, block, first + t);
        add_block<kFormat, kEight, kTogether, kGroups>(w, inputs, acc + strip + first);
      }
    }
  }
  for (int g = 0; g < kGroups; ++g) {
    for (int t = 0; t < n_tokens; ++t) p.store(groups[g], token + t, acc[g * kTogether + t]);
  }
}

/// The strips of 8 from `token` on. Returns where they end.
template <PackedFormat kFormat>
int multiply_strips(const Product& p, const Groups& groups, int token) {
  const int end = token + (p.x.n_tokens - token) / kEight * kEight;
  for (; token < end; token += kTogether) {
    const int n = std::min(kTogether, end - token);
    for_group_tiles<kEight, kStripGroups>(
        groups, [&](auto count, const TileGroups& tile) { strips_tile<kFormat, count>(p, tile, token, n); });
  }
  return end;
}
