// The product of a single strip with matrices of few columns: what blocks add up to stays in registers, which
// one group fills. Included inside the namespace of the level, before the product of several strips.

/// Columns of the widest matrix that it is for: while the strip stays in the first cache and groups are so
/// short that memory delivers one after the other as fast as two side by side.
constexpr int kStripProductCols = 1024;

/// A strip of tokens with one group after the other. Each turn multiplies a block, stores its tile of sums in
/// the next turn and adds them in the one after that, as several strips do. Every other block has tiles of
/// its own, for a product waits until its register has been stored.
template <PackedFormat kFormat>
class StripProduct {
  static constexpr bool kTwoParts = StepTiles<kFormat, 1>::kTwoParts;

 public:
  StripProduct(const Product& p, int token)
      : p_(p),
        x_(p.x.quantized),
        token_(token),
        n_blocks_(p.w.n_cols / kBlockValues),
        place_(token, 0, kStripTokens, n_blocks_) {}

  void multiply(int group) {
    for (int block = 0; block < kLead && block < n_blocks_; ++block) unpack(group, block);
    F32 acc[kStripTokens];
#pragma GCC unroll 16
    for (F32& a : acc) a = set1(0.0F);
    for (int i = 0; i < n_blocks_ + 2; i += 2) {
      run<0>(group, i, acc);
      if (i + 1 < n_blocks_ + 2) run<1>(group, i + 1, acc);
    }
#pragma GCC unroll 16
    for (int t = 0; t < kStripTokens; ++t) p_.store(group, token_ + t, acc[t]);
  }

 private:
  static constexpr int kLead = 2;    // by which blocks are unpacked ahead
  static constexpr int kBlocks = 4;  // from the one that is added to the last one unpacked

  template <int kTurn>
  [[gnu::always_inline]] void run(int group, int i, F32 (&acc)[kStripTokens]) {
    constexpr int kIntegers = kTurn;
    constexpr int kSums = 2 + kTurn;
    constexpr int kCodes = 4 + 2 * kTurn;
    const int block = std::min(i, n_blocks_ - 1);  // the last one again, and nobody reads that
    load_tile<kIntegers>(opaque(x_.low + place_.values(block)));
    opaque(&codes_[block % kBlocks])->template load<0, kCodes>();
    store_tile<3 - kTurn>(opaque(&sums_[1 - kTurn]));
    zero_tile<kSums>();
    multiply_tile<kSums, kCodes, kIntegers>();
    if constexpr (kTwoParts) multiply_tile<kSums, kCodes + 1, kIntegers>();
    if (i >= 2) add(i - 2, opaque(sums_[kTurn].of[0]), acc);
    if (i + kLead < n_blocks_) unpack(group, i + kLead);  // where what has just been added was
  }

  [[gnu::always_inline]] void add(int block, const float* dots, F32 (&acc)[kStripTokens]) const {
    const int64_t one = place_.one(block);
    const float* scales_x = opaque(x_.scales + one);
    const TileScales& s = scales_[block % kBlocks];
    const F32 scale = s.scale;
#pragma GCC unroll 16
    for (int t = 0; t < kStripTokens; ++t) {
      const F32 dot = load(dots + t * kLanes);
      acc[t] = add_dot<kFormat>(acc[t], dot, scale, s, set1(scales_x[t]), x_, one + t);
    }
  }

  [[gnu::always_inline]] void unpack(int group, int block) {
    fetch_ahead<1>(p_, group, block);
    const auto packed = packed_block<kFormat>(p_, TileGroups{group}, block);
    const BlockScales scales[1] = {packed.scales(0)};
    scales_[block % kBlocks].template set<kFormat>(scales[0]);
    codes_[block % kBlocks].unpack(packed, scales);
  }

  const Product& p_;
  QuantizedRows x_;
  int token_;
  int n_blocks_;
  StripPlace place_;
  TileCodes<kFormat, 1> codes_[kBlocks];
  TileScales scales_[kBlocks];
  SumTile sums_[2];  // of every other block
};
