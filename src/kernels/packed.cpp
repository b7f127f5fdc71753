// Packing and its inverse: source rows into groups of 16 interleaved rows. The layouts are drawn in format.h.
#include "kernels/packed.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/format.h"
#include "kernels/source_block.h"

namespace pellucid::kernels {
namespace {

constexpr int kMaxBlockValues = 256;
constexpr int kGroupsPerTask = 16;  // of packing: some hundred KB of source at a time

float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T>
void store(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}

// Writes the codes of one row's block of 32 into the planes of the block: words of 4 codes, lane by lane.
void store_codes(int code_bits, int lane, const uint8_t* codes, std::byte* planes) {
  uint32_t words[8];
  std::memcpy(words, codes, sizeof(words));
  const auto put = [&](int vector, uint32_t word) { store(planes + vector * 64 + lane * 4, word); };
  const auto pairs = [&](int h, int shift) {
    uint32_t word = 0;
    for (int i = 0; i < 4; ++i) word |= (words[4 * h + i] >> shift & 0x03030303U) << (2 * i);
    return word;
  };
  const auto high_bits = [&](int shift) {
    uint32_t word = 0;
    for (int j = 0; j < 8; ++j) word |= (words[j] >> shift & 0x01010101U) << j;
    return word;
  };
  const int low = high_plane_bytes(code_bits) / 64;  // the first vector of the low bits
  if (code_bits == 8) {
    for (int j = 0; j < 8; ++j) put(j, words[j]);
  } else if (code_bits >= 4) {
    if (code_bits == 5) put(0, high_bits(4));
    for (int h = 0; h < 2 && code_bits == 6; ++h) put(h, pairs(h, 4));
    for (int j = 0; j < 4; ++j) put(low + j, (words[j] & 0x0F0F0F0FU) | (words[j + 4] & 0x0F0F0F0FU) << 4);
  } else {
    if (code_bits == 3) put(0, high_bits(2));
    for (int h = 0; h < 2; ++h) put(low + h, pairs(h, 0));
  }
}

// The inverse of store_codes.
void load_codes(int code_bits, int lane, const std::byte* planes, uint8_t* codes) {
  uint32_t words[8];
  const auto get = [&](int vector) { return load<uint32_t>(planes + vector * 64 + lane * 4); };
  const int low = high_plane_bytes(code_bits) / 64;
  for (int j = 0; j < 8; ++j) {
    const auto pair = [&](int first) { return get(first + j / 4) >> (2 * (j % 4)) & 0x03030303U; };
    const auto high_bit = [&] { return get(0) >> j & 0x01010101U; };
    if (code_bits == 8) {
      words[j] = get(j);
    } else if (code_bits >= 4) {
      words[j] = get(low + j % 4) >> (j / 4 * 4) & 0x0F0F0F0FU;
      if (code_bits == 5) words[j] |= high_bit() << 4;
      if (code_bits == 6) words[j] |= pair(0) << 4;
    } else {
      words[j] = pair(low);
      if (code_bits == 3) words[j] |= high_bit() << 2;
    }
  }
  std::memcpy(codes, words, sizeof(words));
}

// One source row -> one lane of a quantised group.
void pack_quantized_row(PackedFormat format, const std::byte* source, int n_cols, int lane,
                        std::byte* group) {
  const FormatRow& row = format_row(format);
  const TensorTypeInfo& type = info(row.type);
  const int blocks_per_source = static_cast<int>(type.block_values) / kBlockValues;
  SourceBlock block;
  for (int s = 0; s < n_cols / static_cast<int>(type.block_values); ++s) {
    read_block(format, source + static_cast<size_t>(s) * type.block_bytes, block);
    for (int i = 0; i < blocks_per_source; ++i) {
      const int index = s * blocks_per_source + i;
      const BlockPlace place = block_place(format, static_cast<size_t>(index));
      store(group + place.halves + lane * 2, block.scale);
      if (row.has_minimum) store(group + place.halves + kLanes * 2 + lane * 2, block.minimum);
      if (row.subs != SubScales::kNone) std::memcpy(group + place.subs + lane * 2, block.subs + 2 * i, 2);
      store_codes(row.code_bits, lane, block.codes + i * kBlockValues, group + place.planes);
    }
  }
}

// One source row -> one lane of a float group; types other than the format's own are dequantised.
void pack_float_row(TensorType type, PackedFormat format, const std::byte* source, int n_cols, int lane,
                    std::byte* group) {
  if (format != PackedFormat::kF32) {
    for (int k = 0; k < n_cols; ++k)
      std::memcpy(group + (size_t{16} * k + lane) * 2, source + size_t{2} * k, 2);
    return;
  }
  const TensorTypeInfo& row = info(type);
  float values[kMaxBlockValues];
  const int step = row.block_values == 1 ? 1 : static_cast<int>(row.block_values);
  for (int k = 0; k < n_cols; k += step) {
    decode(type, source + static_cast<size_t>(k / step) * row.block_bytes, step, values);
    for (int i = 0; i < step; ++i) store(group + (size_t{16} * (k + i) + lane) * 4, values[i]);
  }
}

}  // namespace

bool PackedMatrix::wants_quantized() const { return format_row(format).code_bits != 0; }

PackedMatrix pack(TensorType type, std::span<const std::byte> data, int n_rows, int n_cols,
                  Precision precision, Arena& arena, ThreadPool& pool, const SourceDone& done) {
  PackedMatrix matrix;
  matrix.format = precision == Precision::kFloat32 ? PackedFormat::kF32 : native_format(type);
  matrix.n_rows = n_rows;
  matrix.n_cols = n_cols;
  matrix.group_bytes = group_bytes(matrix.format, n_cols);
  matrix.bytes = arena.take(matrix.n_bytes());
  const TensorTypeInfo& row = info(type);
  const size_t row_bytes = static_cast<size_t>(n_cols) / row.block_values * row.block_bytes;

  const int n_tasks = (matrix.n_groups() + kGroupsPerTask - 1) / kGroupsPerTask;
  pool.run(n_tasks, [&](int task, int) {
    const int first_row = task * kGroupsPerTask * kLanes;
    const int end_row = std::min(n_rows, first_row + kGroupsPerTask * kLanes);
    for (int r = first_row; r < end_row; ++r) {
      const std::byte* source = data.data() + static_cast<size_t>(r) * row_bytes;
      std::byte* group = matrix.bytes.get() + static_cast<size_t>(r / kLanes) * matrix.group_bytes;
      if (matrix.wants_quantized()) {
        pack_quantized_row(matrix.format, source, n_cols, r % kLanes, group);
      } else {
        pack_float_row(type, matrix.format, source, n_cols, r % kLanes, group);
      }
    }
    if (done) {
      done(data.subspan(static_cast<size_t>(first_row) * row_bytes,
                        static_cast<size_t>(end_row - first_row) * row_bytes));
    }
  });
  return matrix;
}

void unpack_row(const PackedMatrix& matrix, int row, float* out) {
  const std::byte* group = matrix.group(row / kLanes);
  const int lane = row % kLanes;
  const FormatRow& format = format_row(matrix.format);
  if (format.code_bits == 0) {
    for (int k = 0; k < matrix.n_cols; ++k) {
      const size_t i = size_t{16} * k + lane;
      out[k] = matrix.format == PackedFormat::kF32   ? load<float>(group + i * 4)
               : matrix.format == PackedFormat::kF16 ? half_to_float(load<uint16_t>(group + i * 2))
                                                     : bf16_to_float(load<uint16_t>(group + i * 2));
    }
    return;
  }
  for (int b = 0; b < matrix.n_cols / kBlockValues; ++b) {
    const BlockPlace place = block_place(matrix.format, static_cast<size_t>(b));
    const std::byte* halves = group + place.halves + lane * 2;
    const float scale = half_to_float(load<uint16_t>(halves));
    const float minimum = format.has_minimum ? half_to_float(load<uint16_t>(halves + kLanes * 2)) : 0.0F;
    uint8_t subs[2] = {};
    if (format.subs != SubScales::kNone) std::memcpy(subs, group + place.subs + lane * 2, 2);
    uint8_t codes[kBlockValues];
    load_codes(format.code_bits, lane, group + place.planes, codes);
    dequantize_block(matrix.format, codes, scale, minimum, subs, out + b * kBlockValues);
  }
}

void decode(TensorType type, const std::byte* source, int64_t n, float* out) {
  if (type == TensorType::kF32) {
    std::memcpy(out, source, static_cast<size_t>(n) * 4);
    return;
  }
  if (type == TensorType::kF16 || type == TensorType::kBF16) {
    for (int64_t i = 0; i < n; ++i) {
      const auto bits = load<uint16_t>(source + i * 2);
      out[i] = type == TensorType::kF16 ? half_to_float(bits) : bf16_to_float(bits);
    }
    return;
  }
  const PackedFormat format = native_format(type);
  const TensorTypeInfo& row = info(type);
  SourceBlock block;
  for (int64_t i = 0; i < n; i += row.block_values, source += row.block_bytes) {
    read_block(format, source, block);
    const float scale = half_to_float(block.scale);
    const float minimum = half_to_float(block.minimum);
    for (uint32_t k = 0; k < row.block_values; k += kBlockValues) {
      dequantize_block(format, block.codes + k, scale, minimum, block.subs + k / 16, out + i + k);
    }
  }
}

}  // namespace pellucid::kernels
