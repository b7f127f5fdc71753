// The product of a single strip: what blocks add up to stays in registers, which one group fills. Included
// inside the namespace of the level, before the product of several strips.

/// A strip of tokens with groups, one after the other and without a stop between them. Each turn multiplies a
/// block, stores its sums in the next turn and adds them in the one after that, as several strips do. Every
/// other block has registers of its own for sums and, but for types of digits, for what is multiplied: a
/// product waits until its register has been stored.
template <PackedFormat kFormat>
class StripProduct {
  using Tiles = StepTiles<kFormat, 1>;

 public:
  StripProduct(const Product& p, int token)
      : p_(p),
        x_(p.x.quantized.from(token, p.w.n_cols, kStripLayout)),
        token_(token),
        n_tokens_(std::min(kStripTokens, p.x.n_tokens - token)),
        n_blocks_(p.w.n_cols / kBlockValues) {}

  /// The groups [begin, end). Out of line, where GCC keeps what a turn needs in the registers for it.
  [[gnu::noinline]] void multiply(int begin, int end) {
    load_surplus<kFormat>();
    const int n = (end - begin) * n_blocks_;
    Turn at{.i = 0,
            .n = n,
            .unpacked = {p_.group(begin), 0},
            .fetched = {p_.group(begin + kFetched), 0},
            .multiplied = 0,
            .group = begin,
            .added = 0};
    for (int i = 0; i < kLead && i < n; ++i) unpack(i, at);
    F32 acc[kStripTokens];
    clear(acc);
    while (at.i < n + 2) {
      run<0>(at, acc);
      if (at.i < n + 2) run<1>(at, acc);
    }
  }

 private:
  static constexpr int kLead = 2;     // by which blocks are unpacked ahead
  static constexpr int kBlocks = 4;   // from the one that is added to the last one unpacked
  static constexpr int kFetched = 4;  // groups that are asked for side by side

  struct Packed {
    const std::byte* group;
    int block;
  };
  struct Fetched {
    const std::byte* groups;
    int turn;  // groups take turns
  };
  /// Where a turn is: i of the n blocks of all groups is multiplied; `multiplied` and the like are blocks of
  /// a group.
  struct Turn {
    int i;
    int n;
    Packed unpacked;
    Fetched fetched;
    int64_t multiplied;
    int group, added;  // the group of the block that is added
  };

  [[gnu::always_inline]] static void clear(F32 (&acc)[kStripTokens]) {
#pragma GCC unroll 16
    for (F32& a : acc) a = set1(0.0F);
  }

  template <int kTurn>
  [[gnu::always_inline]] void run(Turn& at, F32 (&acc)[kStripTokens]) {
    constexpr int kOfTurn = Tiles::kDigits ? 0 : kTurn;  // digits leave no registers for two turns
    constexpr int kIntegers = kOfTurn;
    constexpr int kCodes = Tiles::kDigits ? 5 : 4 + 2 * kOfTurn;
    load_tile<kIntegers>(opaque(x_.low + at.multiplied * kTileBytes));
    if (++at.multiplied == n_blocks_) at.multiplied = 0;
    const TileCodes<kFormat, 1>& codes = *opaque(&codes_[at.i % kBlocks]);
    codes.template load<0, kCodes>();
    if constexpr (Tiles::kDigits) codes.template load<1, kCodes + 1>();
    store<1 - kTurn>(opaque(sums_[1 - kTurn]));
    zero_tile<kSumsRegister<kTurn>>();
    multiply_tile<kSumsRegister<kTurn>, kCodes, kIntegers>();
    if constexpr (Tiles::kTwoParts) multiply_tile<kSumsRegister<kTurn>, kCodes + 1, kIntegers>();
    if constexpr (Tiles::kDigits) {
      multiply_tile<kSumsRegister<kTurn>, kSurplus, kIntegers>();
      zero_tile<kSumsRegister<kTurn> + 1>();
      multiply_tile<kSumsRegister<kTurn> + 1, kCodes + 1, kIntegers>();
    }
    if (at.i >= 2) {
      add(at.i - 2, at.added, opaque(sums_[kTurn][0].of[0]), acc);
      if (++at.added == n_blocks_) {
#pragma GCC unroll 16
        for (int t = 0; t < kStripTokens; ++t) {
          if (t < n_tokens_) p_.store(at.group, token_ + t, acc[t]);
        }
        clear(acc);
        ++at.group;
        at.added = 0;
      }
    }
    if (at.i + kLead < at.n) unpack(at.i + kLead, at);  // where what has just been added was
    ++at.i;
  }

  /// The first register of a turn's sums.
  template <int kTurn>
  static constexpr int kSumsRegister = (Tiles::kDigits ? 1 : 2) + (kTurn == 0 ? 0 : Tiles::kOfGroup);

  /// The sums of a turn.
  template <int kTurn>
  [[gnu::always_inline]] static void store(SumTile* to) {
    store_tile<kSumsRegister<kTurn>>(to);
    if constexpr (Tiles::kDigits) store_tile<kSumsRegister<kTurn> + 1>(to + 1);
  }

  /// Adds block i, `block` of its group.
  [[gnu::always_inline]] void add(int i, int block, const float* dots, F32 (&acc)[kStripTokens]) const {
    const int64_t one = int64_t{block} * kStripTokens;
    const float* scales_x = opaque(x_.scales + one);
    const TileScales& s = scales_[i % kBlocks];
    const F32 scale = s.scale;
#pragma GCC unroll 16
    for (int t = 0; t < kStripTokens; ++t) {
      const F32 dot = tile_dot<kFormat>(dots + t * kLanes);
      acc[t] = add_dot<kFormat>(acc[t], dot, scale, s, set1(scales_x[t]), x_, one + t);
    }
  }

  /// Block i.
  [[gnu::always_inline]] void unpack(int i, Turn& turn) {
    Packed& at = turn.unpacked;
    fetch_next(turn.fetched);
    const PackedBlock<kFormat> packed{at.group, 0, block_place(kFormat, static_cast<size_t>(at.block))};
    const BlockScales scales[1] = {packed.scales(0)};
    scales_[i % kBlocks].template set<kFormat>(scales[0]);
    codes_[i % kBlocks].unpack(packed, scales);
    if (++at.block == n_blocks_) at = {at.group + p_.w.group_bytes, 0};
  }

  /// Asks for what a block takes of the next groups: memory delivers several streams faster than one.
  [[gnu::always_inline]] void fetch_next(Fetched& at) const {
    constexpr size_t kBytes = block_bytes(kFormat);
    const auto group = static_cast<size_t>(at.turn % kFetched);
    const auto block = static_cast<size_t>(at.turn / kFetched);
    fetch(at.groups + group * p_.w.group_bytes + block * kBytes, kBytes);
    if (++at.turn == kFetched * n_blocks_) at = {at.groups + kFetched * p_.w.group_bytes, 0};
  }

  const Product& p_;
  QuantizedRows x_;  // from the strip on
  int token_;
  int n_tokens_;
  int n_blocks_;
  TileCodes<kFormat, 1> codes_[kBlocks];
  TileScales scales_[kBlocks];
  SumTile sums_[2][Tiles::kSums];  // of every other block
};
