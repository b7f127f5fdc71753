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
inline void store_digit(I32 q0, I32 q1, const QuantizedDigit& out, int block, const StripPlace& place) {
  alignas(64) int8_t integers[kBlockValues];
  store_bytes(integers, q0);
  store_bytes(integers + kLanes, q1);
  const uint32_t bias = place.width == kStripTokens ? kStripBias * 0x01010101U : 0;
  int8_t* values = out.values + place.values(block);
  for (int j = 0; j < kBlockValues; j += 4) {
    uint32_t four;
    __builtin_memcpy(&four, integers + j, sizeof(four));
    four ^= bias;
    __builtin_memcpy(values + int64_t{j} * place.width, &four, sizeof(four));
  }
  const int32_t first = sum(q0);
  out.firsts[place.one(block)] = first;
  out.sums[place.one(block)] = first + sum(q1);
}

inline void quantize_block(const float* x, bool is_fine, const QuantizedRows& out, int block,
                           const StripPlace& place) {
  constexpr float kSmallest = 0x1p-126F;  // below, the inverse could overflow
  const float scale = out.scales[place.one(block)];
  const F32 inverse = set1(1.0F / (scale > kSmallest ? scale : kSmallest));
  const F32 x0 = load(x) * inverse;
  const F32 x1 = load(x + kLanes) * inverse;
  const I32 q0 = round_to_digit(x0);
  const I32 q1 = round_to_digit(x1);
  store_digit(q0, q1, out.coarse, block, place);
  out.is_fine[place.one(block)] = is_fine ? 1 : 0;
  if (!is_fine) return;
  const F32 base = set1(256.0F);
  store_digit(round_to_digit((x0 - to_float(q0)) * base), round_to_digit((x1 - to_float(q1)) * base),
              out.fine, block, place);
}

inline void quantize_row(const float* x, int n_blocks, const QuantizedRows& out, const StripPlace& place) {
  float total = 0;
  for (int b = 0; b < n_blocks; ++b) {
    const float scale = block_magnitude(x + int64_t{b} * kBlockValues) / 127.0F;
    out.scales[place.one(b)] = scale;
    total += scale;
  }
  const float stands_out = kStandsOut * total / static_cast<float>(n_blocks);
  for (int b = 0; b < n_blocks; ++b) {
    const bool is_fine = out.scales[place.one(b)] > stands_out;
    quantize_block(x + int64_t{b} * kBlockValues, is_fine, out, b, place);
  }
}

inline void quantize(const float* x, int n_tokens, int n_cols, const QuantizedRows& out) {
  const int n_blocks = n_cols / kBlockValues;
  for (int strip = 0; strip < n_tokens;) {
    const int width = strip_width(n_tokens - strip);
    for (int t = 0; t < width; ++t) {
      quantize_row(x + int64_t{strip + t} * n_cols, n_blocks, out, {int64_t{strip} * n_blocks, t, width});
    }
    strip += width;
  }
}
