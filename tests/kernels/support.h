// What the kernel tests share: random weights of every type, activations, and comparison of bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/tensor_type.h"
#include "kernels/packed.h"
#include "kernels/quantized_buffer.h"

namespace pellucid::kernels::test {

using Rng = std::mt19937_64;

/// Where the float16 fields of a quantised block lie; -1 where there is none.
struct HalfFields {
  int scale;
  int minimum;
};

inline HalfFields half_fields(TensorType type) {
  switch (type) {
    case TensorType::kQ4_1:
    case TensorType::kQ5_1:
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
      return {0, 2};
    case TensorType::kQ2_K:
      return {80, 82};
    case TensorType::kQ3_K:
      return {108, -1};
    case TensorType::kQ6_K:
      return {208, -1};
    default:
      return {0, -1};
  }
}

enum class Weights {
  kPlain,
  kExtremeCodes,  // blocks whose bits are all 0, all 1 or random, under ordinary scales: the largest integer
                  // sums
  kWild,          // the same under any scale: NaN, infinity, subnormal
};

/// Random values of `type`: n is a multiple of its block.
inline std::vector<std::byte> random_weights(TensorType type, int64_t n, Weights kind, Rng& rng) {
  const TensorTypeInfo& row = info(type);
  std::vector<std::byte> bytes(static_cast<size_t>(n) / row.block_values * row.block_bytes);
  const auto put_half = [&](size_t at, uint16_t half) {
    bytes[at] = static_cast<std::byte>(half & 255);
    bytes[at + 1] = static_cast<std::byte>(half >> 8);
  };
  std::normal_distribution<float> normal;
  if (row.block_values == 1) {
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      const float value =
          kind != Weights::kWild ? normal(rng) : std::bit_cast<float>(static_cast<uint32_t>(rng()));
      const auto bits = std::bit_cast<uint32_t>(value);
      if (type == TensorType::kF16) put_half(2 * i, float_to_half(value));
      if (type == TensorType::kBF16) put_half(2 * i, static_cast<uint16_t>(bits >> 16));
      if (type == TensorType::kF32) {
        put_half(4 * i, static_cast<uint16_t>(bits));
        put_half(4 * i + 2, static_cast<uint16_t>(bits >> 16));
      }
    }
    return bytes;
  }
  const HalfFields fields = half_fields(type);
  for (size_t block = 0; block < bytes.size(); block += row.block_bytes) {
    const uint64_t fill = kind == Weights::kPlain ? 2 : rng() % 3;
    for (size_t i = 0; i < row.block_bytes; ++i) {
      bytes[block + i] = static_cast<std::byte>(fill == 0 ? 0 : fill == 1 ? 255 : rng());
    }
    for (const int field : {fields.scale, fields.minimum}) {
      if (field < 0) continue;
      const uint16_t half = kind != Weights::kWild || rng() % 8 != 0 ? float_to_half(normal(rng) * 0.05F)
                                                                     : static_cast<uint16_t>(rng());
      put_half(block + static_cast<size_t>(field), half);
    }
  }
  return bytes;
}

inline std::vector<float> random_floats(size_t n, Rng& rng, float deviation = 1.0F) {
  std::normal_distribution<float> normal(0.0F, deviation);
  std::vector<float> values(n);
  for (float& v : values) v = normal(rng);
  return values;
}

/// The same with large values here and there, as trained models have them: some blocks stand out of their
/// rows.
inline std::vector<float> spiky_floats(size_t n, Rng& rng) {
  std::vector<float> values = random_floats(n, rng);
  for (float& v : values) v *= rng() % 128 == 0 ? 20.0F : 1.0F;
  return values;
}

/// Floats of every kind: any bit pattern, zeros of both signs, infinities, NaN, subnormals, large and small.
inline std::vector<float> wild_floats(size_t n, Rng& rng) {
  std::vector<float> values(n);
  for (float& v : values) {
    switch (rng() % 8) {
      case 0:
        v = std::bit_cast<float>(static_cast<uint32_t>(rng()));
        break;
      case 1:
        v = rng() % 2 != 0 ? 0.0F : -0.0F;
        break;
      case 2:
        v = std::ldexp(1.0F, static_cast<int>(rng() % 270) - 140);
        break;
      default:
        v = std::normal_distribution<float>(0, 5)(rng);
    }
  }
  return values;
}

/// Blocks of 32 that are quantised to 127 or -127 throughout, but for one k-group in most of them, which is
/// to 1016 or -1016.
inline std::vector<float> extreme_floats(size_t n, Rng& rng) {
  std::vector<float> values(n);
  for (size_t block = 0; block < n / 32; ++block) {
    const float one = rng() % 2 != 0 ? 1.0F : -1.0F;
    const size_t largest = rng() % 10;
    for (size_t i = 0; i < 32; ++i) values[32 * block + i] = i / 4 == largest ? 8 * one : one;
  }
  return values;
}

/// Activations with both faces filled by `table`.
class Batch {
 public:
  Batch(const KernelTable& table, std::vector<float> values, int n_cols)
      : values_(std::move(values)),
        n_tokens_(static_cast<int>(values_.size()) / n_cols),
        n_cols_(n_cols),
        quantized_(static_cast<size_t>(n_tokens_), static_cast<size_t>(n_cols)) {
    if (n_cols % kBlockValues == 0)
      table.quantize(values_.data(), n_cols, n_tokens_, {0, n_cols, n_cols}, rows());
  }

  [[nodiscard]] QuantizedRows rows() { return quantized_.rows(); }
  [[nodiscard]] Activations all() { return {values_.data(), rows(), n_tokens_, n_cols_}; }

 private:
  std::vector<float> values_;
  int n_tokens_;
  int n_cols_;
  QuantizedBuffer quantized_;
};

/// The finished attention of a task that lacks `out` and `parts`, over all its positions at once.
inline std::vector<float> attend_at_once(const KernelTable& table, AttentionTask task) {
  std::vector<float> out(static_cast<size_t>(task.n_heads) * task.head_dim);
  std::vector<AttentionPart> parts(task.n_heads);
  task.out = out.data();
  task.parts = parts.data();
  table.attention(task);
  for (int h = 0; h < task.n_heads; ++h) {
    float* head = out.data() + h * task.head_dim;
    table.join_spans(head, parts.data() + h, 1, 0, task.head_dim, head);
  }
  return out;
}

/// The same, each span and head by itself, then joined.
inline std::vector<float> attend_by_spans(const KernelTable& table, const AttentionTask& task) {
  const int first = task.begin / kSpanPositions;
  const int n_spans = (task.end - 1) / kSpanPositions - first + 1;
  std::vector<float> values(static_cast<size_t>(n_spans) * task.n_heads * task.head_dim);
  std::vector<AttentionPart> parts(static_cast<size_t>(n_spans) * task.n_heads);
  std::vector<float> out(static_cast<size_t>(task.n_heads) * task.head_dim);
  for (int h = 0; h < task.n_heads; ++h) {
    for (int s = 0; s < n_spans; ++s) {
      AttentionTask one = task;
      one.n_heads = 1;
      one.q += h * task.head_dim;
      one.begin = std::max(task.begin, (first + s) * kSpanPositions);
      one.end = std::min(task.end, (first + s + 1) * kSpanPositions);
      one.parts = parts.data() + s * task.n_heads + h;
      one.out = values.data() + static_cast<size_t>(s * task.n_heads + h) * task.head_dim;
      table.attention(one);
    }
    table.join_spans(values.data() + h * task.head_dim, parts.data() + h, n_spans, task.n_heads,
                     task.head_dim, out.data() + h * task.head_dim);
  }
  return out;
}

inline bool same_bits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

/// The first index where two arrays differ (any NaN equals any NaN), or -1.
inline int64_t first_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!same_bits(a[i], b[i])) return static_cast<int64_t>(i);
  }
  return -1;
}

/// Where quantised activations keep token t of n, read from the words of table.h.
struct StripSpot {
  size_t begin = 0;  // tokens before the strip
  size_t width;

  StripSpot(StripLayout layout, size_t t, size_t n) : width(whole_strip(layout)), layout_(layout) {
    const auto is_too_wide = [&] { return n - begin < (width == 16 ? 9 : width); };
    while (t >= begin + width || is_too_wide()) {
      if (is_too_wide()) {
        width /= 2;
      } else {
        begin += width;
      }
    }
    token_ = t - begin;
  }
  [[nodiscard]] size_t one(size_t block, size_t n_blocks) const {
    return begin * n_blocks + block * width + token_;
  }
  /// A sum of the block.
  [[nodiscard]] int sum(int32_t stored) const {
    return is_tile() ? whole(std::bit_cast<float>(stored)) : stored;
  }
  /// Whether it has no digits.
  [[nodiscard]] bool is_tile() const { return layout_ == StripLayout::kTiles && is_whole(); }
  /// Column k of it as two digits.
  struct Digits {
    int low;
    int high;
  };
  [[nodiscard]] Digits digits(const QuantizedRows& x, size_t k, size_t n_cols) const {
    const size_t at = one(k / 32, n_cols / 32);
    const int8_t* low = block(x, k, n_cols) + k % 32 / 4 * 4 * width + token_ * 4 + k % 4;
    const int bias = layout_ == StripLayout::kBiasedFours && is_whole() ? 128 : 0;
    const bool has_high = k % 32 / 4 == x.high_groups[at];
    return {static_cast<int8_t>(*low ^ bias), has_high ? x.high[4 * at + k % 4] : 0};
  }
  /// Column k of it as an integer.
  [[nodiscard]] int integer(const QuantizedRows& x, size_t k, size_t n_cols) const {
    if (is_tile()) {
      constexpr size_t kSwapped[] = {0, 2, 1, 3};
      return whole_bfloat16(block(x, k, n_cols) + 2 * (token_ * 32 + k % 32 / 4 * 4 + kSwapped[k % 4]));
    }
    const auto [low, high] = digits(x, k, n_cols);
    return low + 8 * high;
  }

 private:
  [[nodiscard]] bool is_whole() const { return static_cast<int>(width) == whole_strip(layout_); }
  /// The integers or low digits of the strip in the block of column k.
  [[nodiscard]] const int8_t* block(const QuantizedRows& x, size_t k, size_t n_cols) const {
    const int64_t bytes_of_32 = strip_row_bytes(layout_, 32) / (is_whole() ? 1 : strip_row_bytes(layout_, 1));
    return x.low + begin * strip_row_bytes(layout_, static_cast<int>(n_cols)) + k / 32 * width * bytes_of_32;
  }
  static int whole_bfloat16(const int8_t* from) {
    uint16_t half = 0;
    std::memcpy(&half, from, sizeof(half));
    return whole(std::bit_cast<float>(uint32_t{half} << 16));
  }
  static int whole(float value) {
    EXPECT_EQ(value, std::trunc(value));
    return static_cast<int>(value);
  }

  StripLayout layout_;
  size_t token_ = 0;
};

inline std::string type_name(TensorType type) { return std::string(info(type).name); }

inline PackedMatrix pack_one(TensorType type, std::span<const std::byte> data, int n_rows, int n_cols,
                             Precision precision = Precision::kNative) {
  ThreadPool pool(1);
  Arena arena;
  return pack(type, data, n_rows, n_cols, precision, arena, pool);
}

}  // namespace pellucid::kernels::test
