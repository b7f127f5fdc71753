// What is done with the sums of tiles: a tile's go to the first cache, where vectors of 16 rows take them.
// Included inside the namespace of the level, after codes.inl.

/// The sums of a strip with a group, or with one digit of it.
struct alignas(64) SumTile {
  float of[kStripTokens][kLanes];
};
constexpr size_t kTileFloats = size_t{kStripTokens} * kLanes;

/// What meets the scale: the dot product of a block with a token, as a float. The sums of the second digit
/// lie kTileFloats further on; both are exact, so the whole is rounded once, as the integer that it is would
/// be.
template <PackedFormat kFormat>
[[gnu::always_inline]] inline F32 tile_dot(const float* sums) {
  if constexpr (!StepTiles<kFormat, 1>::kDigits) return load(sums);
  return load(sums) + load(sums + kTileFloats);
}

/// The scales of a block of 16 rows, and its integer sub-minimums as floats, half by half.
struct TileScales {
  F32 scale;
  F32 minimum;
  F32 minimums[2];

  template <PackedFormat kFormat>
  [[gnu::always_inline]] void set(const BlockScales& of_block) {
    scale = of_block.scale;
    if constexpr (format_row(kFormat).has_minimum) minimum = of_block.minimum;
    if constexpr (format_row(kFormat).subs == SubScales::kHalvesMin) {
      minimums[0] = to_float(of_block.minimum0);
      minimums[1] = to_float(of_block.minimum1);
    }
  }
};

/// What meets the minimum, from the bits of the token's sums: whole numbers that float32 holds.
template <PackedFormat kFormat>
[[gnu::always_inline]] inline F32 minimum_factor(const TileScales& scales, int32_t sum, int32_t first) {
  const F32 of_block = from_bits(set1(sum));
  if constexpr (format_row(kFormat).subs != SubScales::kHalvesMin) return of_block;
  const F32 of_first = from_bits(set1(first));
  const F32 of_second = fma(of_block - of_first, scales.minimums[1], set1(0.0F));  // 0 has no sign
  return fma(of_first, scales.minimums[0], of_second);
}

/// `a`, the sum of token `one` with 16 rows, and what a block adds to it; `scale` is the block's.
template <PackedFormat kFormat>
[[gnu::always_inline]] inline F32 add_dot(F32 a, F32 dot, F32 scale, const TileScales& s, F32 scale_x,
                                          const QuantizedRows& x, int64_t one) {
  if constexpr (!format_row(kFormat).has_minimum) return fma(scale * scale_x, dot, a);
  const F32 factor = minimum_factor<kFormat>(s, x.sums[one], x.firsts[one]);
  return fma(scale_x, fma(scale, dot, s.minimum * factor), a);
}
