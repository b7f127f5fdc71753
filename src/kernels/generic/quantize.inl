// Activations to int8 with one scale per block of 32. Included inside the namespace of a level.

/// One block. The largest magnitude is found among the bit patterns, where infinity and NaN are the largest:
/// they make the scale infinite or NaN, which the product then carries to every output.
inline void quantize_block(const float* x, int8_t* values, float* scale, int32_t* sums) {
  const F32 x0 = load(x);
  const F32 x1 = load(x + kLanes);
  const int32_t largest = maximum(max(bits(absolute(x0)), bits(absolute(x1))));
  float magnitude;
  __builtin_memcpy(&magnitude, &largest, sizeof(magnitude));
  *scale = magnitude / 127.0F;
  constexpr float kSmallest = 0x1p-126F;  // below, the inverse could overflow
  const F32 inverse = set1(1.0F / (*scale > kSmallest ? *scale : kSmallest));
  const auto round = [&](F32 v) {
    const F32 magic = set1(0x1.8p23F);
    const F32 clamped = min(max(v * inverse, set1(-127.0F)), set1(127.0F));  // NaN becomes -127
    return bits(clamped + magic) - bits(magic);
  };
  const I32 q0 = round(x0);
  const I32 q1 = round(x1);
  store_bytes(values, q0);
  store_bytes(values + kLanes, q1);
  const int32_t first = sum(q0);
  const int32_t all = first + sum(q1);
  *sums = static_cast<int32_t>(static_cast<uint32_t>(all) << 16 | (static_cast<uint32_t>(first) & 0xFFFFU));
}

inline void quantize(const float* x, int n_tokens, int n_cols, const QuantizedRows& out) {
  const int64_t n_blocks = int64_t{n_tokens} * (n_cols / kBlockValues);
  for (int64_t b = 0; b < n_blocks; ++b) {
    quantize_block(x + b * kBlockValues, out.values + b * kBlockValues, out.scales + b, out.sums + b);
  }
}
