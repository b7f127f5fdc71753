// Activations to one or two int8 digits with one scale per block of 32. Included inside the namespace of a
// level.

/// The largest magnitude of a block, found among the bit patterns, where infinity and NaN are the largest:
/// they make the scale infinite or NaN, which the product then carries to every output.
inline float block_magnitude(const float* x) {
  const int32_t largest = maximum(max(bits(absolute(load(x))), bits(absolute(load(x + kLanes)))));
  float magnitude;
  __builtin_memcpy(&magnitude, &largest, sizeof(magnitude));
  return magnitude;
}

/// Rounds `v` to the integers of a digit.
inline I32 round_to_digit(F32 v) {
  const F32 magic = set1(0x1.8p23F);
  const F32 clamped = min(max(v, set1(-127.0F)), set1(127.0F));  // NaN becomes -127
  return bits(clamped + magic) - bits(magic);
}

/// Block `block` of a digit: the integers and their sums.
inline void store_digit(I32 q0, I32 q1, const QuantizedDigit& out, int64_t block) {
  int8_t* values = out.values + block * kBlockValues;
  store_bytes(values, q0);
  store_bytes(values + kLanes, q1);
  const int32_t first = sum(q0);
  const int32_t all = first + sum(q1);
  out.sums[block] =
      static_cast<int32_t>(static_cast<uint32_t>(all) << 16 | (static_cast<uint32_t>(first) & 0xFFFFU));
}

inline void quantize_block(const float* x, bool is_fine, const QuantizedRows& out, int64_t block) {
  constexpr float kSmallest = 0x1p-126F;  // below, the inverse could overflow
  const float scale = out.scales[block];
  const F32 inverse = set1(1.0F / (scale > kSmallest ? scale : kSmallest));
  const F32 x0 = load(x) * inverse;
  const F32 x1 = load(x + kLanes) * inverse;
  const I32 q0 = round_to_digit(x0);
  const I32 q1 = round_to_digit(x1);
  store_digit(q0, q1, out.coarse, block);
  out.is_fine[block] = is_fine ? 1 : 0;
  if (is_fine) {
    const F32 base = set1(256.0F);
    store_digit(round_to_digit((x0 - to_float(q0)) * base), round_to_digit((x1 - to_float(q1)) * base),
                out.fine, block);
  } else {
    store_digit(set1(int32_t{0}), set1(int32_t{0}), out.fine, block);
  }
}

/// One row, whose first block is block `first` of `out`.
inline void quantize_row(const float* x, int n_blocks, const QuantizedRows& out, int64_t first) {
  float total = 0;
  for (int b = 0; b < n_blocks; ++b) {
    const float magnitude = block_magnitude(x + int64_t{b} * kBlockValues);
    out.scales[first + b] = magnitude / 127.0F;
    total += out.scales[first + b];
  }
  const float stands_out = kStandsOut * total / static_cast<float>(n_blocks);
  for (int b = 0; b < n_blocks; ++b) {
    quantize_block(x + int64_t{b} * kBlockValues, out.scales[first + b] > stands_out, out, first + b);
  }
}

inline void quantize(const float* x, int n_tokens, int n_cols, const QuantizedRows& out) {
  const int n_blocks = n_cols / kBlockValues;
  for (int64_t t = 0; t < n_tokens; ++t) quantize_row(x + t * n_cols, n_blocks, out, t * n_blocks);
}
