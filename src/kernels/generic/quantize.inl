// Activations to integers with one scale per block of 32. Included inside the namespace of a level.

/// `v`, but at most `most`; NaN becomes the smallest.
inline F32 limit(F32 v, float most) { return min(max(v, set1(-most)), set1(most)); }

/// The nearest integer, of magnitudes below 2^22.
inline I32 nearest_integer(F32 v) {
  const F32 magic = set1(0x1.8p23F);  // a float whose last bit is worth 1
  return bits(v + magic) - bits(magic);
}

/// The nearest integer of at most 8 significant bits, which is a bfloat16, ties to even; of finite magnitudes
/// below 2^110.
inline F32 nearest_of_8_bits(F32 v) {
  constexpr int32_t kExponent = 0x7F800000;
  constexpr int32_t kOf128 = 0x43000000;           // the exponent of 128 to 255, ...
  constexpr int32_t kMagic = 0x4B400000 - kOf128;  // ... for which this makes 0x1.8p23, whose last bit is 1
  const I32 exponent = max(bits(v) & set1(kExponent), set1(kOf128));
  const F32 magic = from_bits(exponent + set1(kMagic));
  return (v + magic) - magic;
}

/// The two largest magnitudes of the k-groups of a block (equals count twice), and which k-group has the
/// first. They are found among the bit patterns, where infinity and NaN are the largest.
struct TwoLargest {
  float most, next;
  int group;
};

[[gnu::always_inline]] inline TwoLargest two_largest(F32 x0, F32 x1) {
  const I32 m0 = maximum_of_fours(bits(absolute(x0)));
  const I32 m1 = maximum_of_fours(bits(absolute(x1)));
  I32 most = max(m0, m1);
  I32 next = min(m0, m1);
  const auto join = [&](I32 other_most, I32 other_next) {
    next = max(min(most, other_most), max(next, other_next));
    most = max(most, other_most);
  };
  join(rotated_fours<2>(most), rotated_fours<2>(next));
  join(rotated_fours<1>(most), rotated_fours<1>(next));
  const uint32_t equal = equal_lanes(m0, most) | equal_lanes(m1, most) << kLanes;
  return {first_lane(from_bits(most)), first_lane(from_bits(next)), __builtin_ctz(equal) / 4};
}

/// The four bytes of k-group `group` of a block.
[[gnu::always_inline]] inline uint32_t load_four(const int8_t* bytes, int group) {
  uint32_t four;
  __builtin_memcpy(&four, bytes + int64_t{4} * group, sizeof(four));
  return four;
}
[[gnu::always_inline]] inline void store_four(int8_t* to, uint32_t four) {
  __builtin_memcpy(to, &four, sizeof(four));
}

/// Each byte's last kHighBits bits as an integer in [-4, 3].
[[gnu::always_inline]] inline uint32_t low_digits(uint32_t four) {
  static_assert(kHighBits == 3);
  return (four & 0x03030303U) | (four & 0x04040404U) * 0x3F;  // 4 * 0x3F: the six bits above them
}

/// The digits of a block, where the level wants them: `low` has those of all columns, `high` the four of the
/// k-group that has them.
[[gnu::always_inline]] inline void store_digits(const int8_t* low, uint32_t high, const QuantizedRows& out,
                                                int block, const StripPlace& place) {
  int8_t* to = out.low + place.values(block);
  store_four(out.high + 4 * place.one(block), high);
  const bool is_biased = kStripLayout == StripLayout::kBiasedFours && place.width() == kStripTokens;
  const uint32_t bias = is_biased ? 0x80808080U : 0;
  const int64_t step = int64_t{4} * place.width();
  for (int k = 0; k < kBlockValues / 4; ++k) store_four(to + step * k, load_four(low, k) ^ bias);
}

constexpr float kMostOfTwoDigits = 127.0F * (1 << kHighBits);
constexpr float kSmallestScale = 0x1p-126F;  // below, the inverse could overflow

/// The scale of a block, and which k-group has high digits: on its own, for quantize_block waits for it.
[[gnu::always_inline]] inline void scale_block(const float* x, const QuantizedRows& out, int64_t one) {
  const TwoLargest largest = two_largest(load(x), load(x + kLanes));
  const float least = largest.most / (1 << kHighBits);
  // NaN and infinity reach the scale by `least`, and from there every output.
  out.scales[one] = (largest.next > least ? largest.next : least) / 127.0F;
  out.high_groups[one] = static_cast<uint8_t>(largest.group);
}

[[gnu::always_inline]] inline void quantize_block(const float* x, const QuantizedRows& out, int block,
                                                  const StripPlace& place) {
  const int64_t one = place.one(block);
  const float scale = out.scales[one];
  const int group = out.high_groups[one];
  const F32 inverse = set1(1.0F / (scale > kSmallestScale ? scale : kSmallestScale));
  const float most = scale < __builtin_inff() ? kMostOfTwoDigits : 127.0F;
  const F32 whole0 = nearest_of_8_bits(limit(load(x) * inverse, most));
  const F32 whole1 = nearest_of_8_bits(limit(load(x + kLanes) * inverse, most));
  const I32 q0 = nearest_integer(whole0);
  const I32 q1 = nearest_integer(whole1);
  const auto [first, second] = sums(q0, q1);
  out.firsts[one] = first;
  out.sums[one] = first + second;
  alignas(64) int8_t low[kBlockValues];  // the last 8 bits of each
  alignas(64) int8_t high[kBlockValues];
  store_bytes(low, q0);
  store_bytes(low + kLanes, q1);
  const I32 half = set1(int32_t{1 << (kHighBits - 1)});
  store_bytes(high, shift_right<kHighBits>(q0 + half));
  store_bytes(high + kLanes, shift_right<kHighBits>(q1 + half));
  store_four(low + int64_t{4} * group, low_digits(load_four(low, group)));
  store_digits(low, load_four(high, group), out, block, place);
}

inline void quantize(const float* x, int64_t x_stride, int n_tokens, const Columns& columns,
                     const QuantizedRows& out) {
  const int first = columns.first / kBlockValues;
  const int n_blocks = columns.n / kBlockValues;
  for (int strip = 0; strip < n_tokens;) {
    const int width = strip_width(kStripLayout, n_tokens - strip);
    for (int t = 0; t < width; ++t) {
      const StripPlace place(strip, t, width, columns.all / kBlockValues);
      const float* row = x + (strip + t) * x_stride;
      for (int b = 0; b < n_blocks; ++b) {
        scale_block(row + int64_t{b} * kBlockValues, out, place.one(first + b));
      }
      for (int b = 0; b < n_blocks; ++b) {
        quantize_block(row + int64_t{b} * kBlockValues, out, first + b, place);
      }
    }
    strip += width;
  }
}
