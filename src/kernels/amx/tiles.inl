// Products of whole strips on AMX. A tile instruction multiplies the integers of 16 tokens in a block with a
// tile of codes, all of them bfloat16, and adds the products to a tile of sums: whole numbers that float32
// holds, so they are exact in any order. Sums go to the first cache, where vectors of 16 rows take them.
// Included inside the namespace of the level, after sums.inl and products of strips of 8.

/// What LDTILECFG reads (Intel SDM vol. 1, 18.3.1): all tiles are of 16 rows of 64 bytes. The first ones have
/// the integers of tokens, those after them sums, the last ones codes.
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  std::array<uint8_t, 14> reserved{};
  std::array<uint16_t, 16> row_bytes{64, 64, 64, 64, 64, 64, 64, 64};
  std::array<uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(kStripTokens == 16 && kTileLines == 16 && kLineBytes == 64);

/// What a step adds to: of group g and token t to acc[g * kTogether + t].
struct StepOutput {
  const TileScales* scales;  // of each group
  const float* sums;         // of its tiles
  int64_t one;               // where what the block has one of is
  F32* acc;
};

/// Adds the sums of a quarter of a step's tokens.
template <PackedFormat kFormat, int kGroups>
[[gnu::always_inline]] inline void add_quarter(int quarter, const StepOutput& step, const QuantizedRows& x) {
  constexpr int kTokens = kStripTokens / 4;
  constexpr size_t kSumsOfGroup = StepTiles<kFormat, kGroups>::kOfGroup * kTileFloats;
  const int64_t one = step.one + quarter * kTokens;
  const float* scales_x = opaque(x.scales + one);
  const float* sums = opaque(step.sums + quarter * kTokens * kLanes);
  F32* acc = opaque(step.acc + quarter * kTokens);
  F32 scales[kGroups];  // not to be read again after each store
  for (int g = 0; g < kGroups; ++g) scales[g] = step.scales[g].scale;
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) {
    const F32 scale_x = set1(scales_x[t]);
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      const TileScales& s = step.scales[g];
      const F32 dot = tile_dot<kFormat>(sums + g * kSumsOfGroup + t * kLanes);
      F32& a = acc[g * kTogether + t];
      a = add_dot<kFormat>(a, dot, scales[g], s, scale_x, x, one + t);
    }
  }
}

/// The product of n_strips strips, two or more, at most kTogether tokens from `token` on, with the groups of
/// a tile. A step is a strip of a block. A loop multiplies one, stores the sums of the one before, which have
/// been waited for long enough, and adds those of the one before that.
template <PackedFormat kFormat, int kGroups>
class TileProduct {
  using Tiles = StepTiles<kFormat, kGroups>;
  using Codes = TileCodes<kFormat, kGroups>;

 public:
  TileProduct(const Product& p, const TileGroups& groups, int token, int n_strips)
      : p_(p),
        x_(p.x.quantized.from(token, p.w.n_cols, kStripLayout)),
        groups_(groups),
        token_(token),
        n_strips_(n_strips),
        n_blocks_(p.w.n_cols / kBlockValues) {
    for (int g = 0; g < kGroups; ++g) {
      std::fill_n(acc_ + g * kTogether, n_strips * kStripTokens, set1(0.0F));
    }
  }

  void multiply() {
    load_surplus<kFormat>();
    unpack(0);
    const int n_steps = n_blocks_ * n_strips_;
    Step multiplied;
    Step added;
    for (int i = 0; i < n_steps + 2; ++i) {
      run<0>(input_of(multiplied), opaque(sums_[(i + 1) % 2]), i < 2, output_of(added, i % 2));
      if (multiplied.strip == 0 && multiplied.block + 1 < n_blocks_) unpack(multiplied.block + 1);
      if (i + 1 < n_steps) go_on(multiplied);  // else once more, and nobody reads that
      if (i >= 2) go_on(added);
    }
  }

  void write() const {
    const int n_tokens = std::min(n_strips_ * kStripTokens, p_.x.n_tokens - token_);
    for (int g = 0; g < kGroups; ++g) {
      for (int t = 0; t < n_tokens; ++t) p_.store(groups_[g], token_ + t, acc_[g * kTogether + t]);
    }
  }

 private:
  template <int kSum>
  static constexpr int kRegister = Tiles::template kRegister<kSum * Tiles::kCodesOfSum>;  // of its codes
  static constexpr int kCodes = 2;   // blocks unpacked or multiplied: more would not stay in the first cache
  static constexpr int kScales = 4;  // blocks unpacked, multiplied, stored or added

  struct Step {
    int block = 0;
    int strip = 0;
    int64_t tile = 0;  // of the integers: strip after strip
  };
  [[gnu::always_inline]] void go_on(Step& step) const {
    if (++step.strip == n_strips_) {
      step = {step.block + 1, 0, step.block + 1};
    } else {
      step.tile += n_blocks_;
    }
  }

  struct Input {
    const int8_t* integers;
    const Codes* codes;
    bool is_first;  // of the strips
  };
  [[nodiscard]] [[gnu::always_inline]] Input input_of(const Step& step) const {
    return {opaque(x_.low + step.tile * kTileBytes), opaque(&codes_[step.block % kCodes]), step.strip == 0};
  }
  [[nodiscard]] [[gnu::always_inline]] StepOutput output_of(const Step& step, int sums) {
    const int scales = step.block & (kScales - 1);
    return {scales_[scales], sums_[sums][0].of[0], step.tile * kStripTokens,
            acc_ + step.strip * kStripTokens};
  }

  /// Tile kSum of sums and those after it. `begins`: nothing has been stored that could be added.
  template <int kSum>
  [[gnu::always_inline]] void run(const Input& input, SumTile* stored, bool begins,
                                  const StepOutput& output) const {
    load<kSum>(input);
    store_tile<1 + kSum>(stored + kSum);
    multiply_sums<kSum>();
    if (!begins) {
      for (int quarter = 4 * kSum / Tiles::kSums; quarter < 4 * (kSum + 1) / Tiles::kSums; ++quarter) {
        add_quarter<kFormat, kGroups>(quarter, output, x_);
      }
    }
    if constexpr (kSum + 1 < Tiles::kSums) run<kSum + 1>(input, stored, begins, output);
  }

  template <int kSum>
  [[gnu::always_inline]] void load(const Input& input) const {
    if constexpr (kSum == 0) load_tile<0>(input.integers);
    if (!Tiles::kHeld || input.is_first) input.codes->template load<kSum, kRegister<kSum>>();
  }
  template <int kSum>
  [[gnu::always_inline]] void multiply_sums() const {
    zero_tile<1 + kSum>();
    multiply_tile<1 + kSum, kRegister<kSum>>();
    if constexpr (Tiles::kTwoParts) multiply_tile<1 + kSum, kRegister<kSum> + 1>();
    if constexpr (Tiles::kDigits && kSum % 2 == 0) multiply_tile<1 + kSum, kSurplus>();
  }

  [[gnu::always_inline]] void unpack(int block) {
    fetch_ahead<kFormat, kGroups>(p_, groups_.first, block);
    const auto packed = packed_block<kFormat>(p_, groups_, block);
    const int at = block & (kScales - 1);
    BlockScales scales[kGroups];
    for (int g = 0; g < kGroups; ++g) {
      scales[g] = packed.scales(g);
      scales_[at][g].template set<kFormat>(scales[g]);
    }
    codes_[block % kCodes].unpack(packed, scales);
  }

  const Product& p_;
  QuantizedRows x_;
  TileGroups groups_;
  int token_;
  int n_strips_;
  int n_blocks_;
  alignas(64) F32 acc_[kGroups * kTogether];
  Codes codes_[kCodes];
  TileScales scales_[kScales][kGroups];
  SumTile sums_[2][Tiles::kSums];  // of every other step
};

/// The whole strips. Returns where they end.
template <PackedFormat kFormat>
int multiply_tiles(const Product& p, const Groups& groups) {
  const int all = p.x.n_tokens;
  if (all < kFewestOfStrip) return 0;
  static constexpr TileShapes kShapes;
  _tile_loadconfig(&kShapes);
  int token = 0;
  while (all - token >= kFewestOfStrip) {
    const int n_strips = (std::min(kTogether, all - token) + kStripTokens - kFewestOfStrip) / kStripTokens;
    if (n_strips == 1) {
      StripProduct<kFormat> product(p, token);
      for (int run = 0; run < groups.n_runs; ++run) {
        product.multiply(groups.begin + run * groups.stride, groups.end + run * groups.stride);
      }
    } else {
      for_group_tiles<kStripTokens, kStripGroups>(groups, [&](auto count, const TileGroups& tile) {
        TileProduct<kFormat, count> product(p, tile, token, n_strips);
        product.multiply();
        product.write();
      });
    }
    token += n_strips * kStripTokens;
  }
  _tile_release();  // so that the system need not save them
  return std::min(token, all);
}
