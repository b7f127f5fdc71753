// Packing and its inverse: source rows into groups of 16 interleaved rows. The layouts are drawn in format.h.
#include "kernels/packed.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

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

// The rows of a matrix that make a group, as the file has them.
struct SourceRows {
  TensorType type;
  const std::byte* first;
  size_t row_bytes;
  int n_rows;  // 1 .. 16
  int n_cols;

  [[nodiscard]] const std::byte* row(int r) const { return first + static_cast<size_t>(r) * row_bytes; }
};

// All rows block after block, so that each line of the group is written once, and its place found once.
template <PackedFormat kFormat>
void pack_quantized(const SourceRows& source, std::byte* group) {
  constexpr FormatRow row = format_row(kFormat);
  const TensorTypeInfo& type = info(source.type);
  const int blocks_per_source = static_cast<int>(type.block_values) / kBlockValues;
  for (int index = 0; index < source.n_cols / kBlockValues; ++index) {
    const BlockPlace place = block_place(kFormat, static_cast<size_t>(index));
    const size_t at = static_cast<size_t>(index / blocks_per_source) * type.block_bytes;
    for (int lane = 0; lane < source.n_rows; ++lane) {
      // 16 rows side by side are more streams than the hardware follows. Past the end of the matrix it does
      // nothing.
      __builtin_prefetch(source.row(lane + kLanes) + at);
      RowBlock block;
      read_block<kFormat>(source.row(lane) + at, index % blocks_per_source, block);
      store(group + place.halves + lane * 2, block.scale);
      if (row.has_minimum) store(group + place.halves + kLanes * 2 + lane * 2, block.minimum);
      if (row.subs != SubScales::kNone) std::memcpy(group + place.subs + lane * 2, block.subs, 2);
      for (int v = 0; v < row.code_bits; ++v) {
        store(group + place.planes + static_cast<size_t>(v) * kLineBytes + lane * 4, block.words[v]);
      }
    }
  }
}

// Types other than the format's own are dequantised, so many columns at a time.
template <typename T>
void pack_floats(const SourceRows& source, std::byte* group) {
  const TensorTypeInfo& type = info(source.type);
  T values[kLanes][kMaxBlockValues];
  for (int begin = 0; begin < source.n_cols; begin += kMaxBlockValues) {
    const int n = std::min(kMaxBlockValues, source.n_cols - begin);
    for (int lane = 0; lane < source.n_rows; ++lane) {
      const std::byte* from =
          source.row(lane) + static_cast<size_t>(begin) / type.block_values * type.block_bytes;
      if constexpr (std::is_same_v<T, float>) {
        decode(source.type, from, n, values[lane]);
      } else {
        std::memcpy(values[lane], from, static_cast<size_t>(n) * sizeof(T));
      }
    }
    for (int k = 0; k < n; ++k) {
      std::byte* column = group + static_cast<size_t>(begin + k) * kLanes * sizeof(T);
      for (int lane = 0; lane < source.n_rows; ++lane) store(column + lane * sizeof(T), values[lane][k]);
    }
  }
}

template <PackedFormat kFormat>
void pack_group(const SourceRows& source, std::byte* group) {
  if constexpr (format_row(kFormat).code_bits != 0) {
    pack_quantized<kFormat>(source, group);
  } else {
    pack_floats<std::conditional_t<kFormat == PackedFormat::kF32, float, uint16_t>>(source, group);
  }
}

// Calls body.operator()<format>(), so that what it does is compiled for each format.
template <typename Body>
void with_format(PackedFormat format, const Body& body) {
  [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    constexpr auto at = [](size_t index) { return static_cast<PackedFormat>(index); };
    ((format == at(kIndex) ? body.template operator()<at(kIndex)>() : void()), ...);
  }
  (std::make_index_sequence<kFormatCount>());
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
    for (int r = first_row; r < end_row; r += kLanes) {
      const SourceRows rows{type, data.data() + static_cast<size_t>(r) * row_bytes, row_bytes,
                            std::min(kLanes, end_row - r), n_cols};
      std::byte* group = matrix.bytes.get() + static_cast<size_t>(r / kLanes) * matrix.group_bytes;
      with_format(matrix.format, [&]<PackedFormat kFormat>() { pack_group<kFormat>(rows, group); });
    }
    if (done) {
      done(data.subspan(static_cast<size_t>(first_row) * row_bytes,
                        static_cast<size_t>(end_row - first_row) * row_bytes));
    }
  });
  return matrix;
}

GroupRuns group_runs(const PackedMatrix& matrix, int n_runs) {
  constexpr int kTried = 4;
  constexpr size_t kApart = kPageBytes / 8;
  const int most = matrix.n_groups() / n_runs;
  // How far the starts of two runs are apart within a page, at least.
  const auto apart = [&](int length) {
    size_t least = kPageBytes;
    for (int run = 1; run < n_runs; ++run) {
      const size_t offset =
          static_cast<size_t>(run) * static_cast<size_t>(length) * matrix.group_bytes % kPageBytes;
      least = std::min({least, offset, kPageBytes - offset});
    }
    return least;
  };
  int best = most;
  for (int length = most; length > 0 && length > most - kTried && apart(best) < kApart; --length) {
    if (apart(length) > apart(best)) best = length;
  }
  return {{0, best, n_runs, best}, {n_runs * best, matrix.n_groups()}};
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
    RowBlock block{};
    block.scale = load<uint16_t>(halves);
    if (format.has_minimum) block.minimum = load<uint16_t>(halves + kLanes * 2);
    if (format.subs != SubScales::kNone) std::memcpy(block.subs, group + place.subs + lane * 2, 2);
    for (int v = 0; v < format.code_bits; ++v) {
      block.words[v] = load<uint32_t>(group + place.planes + static_cast<size_t>(v) * kLineBytes + lane * 4);
    }
    dequantize_block(matrix.format, block, out + static_cast<size_t>(b) * kBlockValues);
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
  with_format(format, [&]<PackedFormat kFormat>() {
    RowBlock block;
    for (int64_t k = 0; k < n; k += kBlockValues) {
      const std::byte* from = source + static_cast<size_t>(k) / row.block_values * row.block_bytes;
      read_block<kFormat>(from, static_cast<int>(k % row.block_values) / kBlockValues, block);
      dequantize_block(format, block, out + k);
    }
  });
}

}  // namespace pellucid::kernels
