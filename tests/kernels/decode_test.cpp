// decode() against PyPI `gguf` (decode.golden, written by make_decode_golden.py), unpack_row() against
// decode(), and the packed bytes against the drawing in format.h.
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <map>

#include "kernels/format.h"
#include "kernels/support.h"

namespace pellucid::kernels::test {
namespace {

uint64_t splitmix(uint64_t x) {
  x = (x + 1) * 0x9E3779B97F4A7C15U;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
  x = (x ^ x >> 27) * 0x94D049BB133111EBU;
  return x ^ x >> 31;
}

constexpr size_t kBlocks = 65536;

// The blocks of make_decode_golden.py: splitmix64 bytes, the scale of block i is the half i.
std::vector<std::byte> golden_blocks(const TensorTypeInfo& row) {
  std::vector<std::byte> bytes(kBlocks * row.block_bytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint64_t word = splitmix(i / 8 + (uint64_t{static_cast<uint32_t>(row.type)} << 32));
    bytes[i] = static_cast<std::byte>(word >> (i % 8 * 8));
  }
  if (row.type == TensorType::kF32) return bytes;
  const auto scale = static_cast<size_t>(half_fields(row.type).scale);
  for (size_t b = 0; b < kBlocks; ++b) {
    bytes[b * row.block_bytes + scale] = static_cast<std::byte>(b);
    bytes[b * row.block_bytes + scale + 1] = static_cast<std::byte>(b >> 8);
  }
  return bytes;
}

uint64_t digest(std::span<const float> values) {
  uint64_t total = 0;
  for (uint64_t i = 0; i < values.size(); ++i) {
    const uint32_t bits = std::isnan(values[i]) ? 0x7FC00000U : std::bit_cast<uint32_t>(values[i]);
    total += splitmix(bits | i << 32);
  }
  return total;
}

TEST(Decode, EqualsGgufBitForBit) {
  std::map<std::string, uint64_t> golden;
  std::ifstream file(std::string(PELLUCID_TEST_DATA) + "/kernels/decode.golden");
  std::string name;
  uint64_t hash = 0;
  while (file >> name >> std::hex >> hash) golden[name] = hash;
  ASSERT_EQ(golden.size(), kTensorTypes.size());
  for (const TensorTypeInfo& row : kTensorTypes) {
    const std::vector<std::byte> bytes = golden_blocks(row);
    std::vector<float> values(kBlocks * row.block_values);
    decode(row.type, bytes.data(), static_cast<int64_t>(values.size()), values.data());
    EXPECT_EQ(digest(values), golden.at(std::string(row.name))) << row.name;
  }
}

TEST(Half, RoundsToNearestEven) {
  for (uint32_t h = 0; h < 65536; ++h) {  // exact both ways
    const auto half = static_cast<uint16_t>(h);
    const float value = half_to_float(half);
    if (!std::isnan(value)) {
      ASSERT_EQ(float_to_half(value), half);
    }
  }
  for (uint32_t h = 0; h < 0x7BFF;
       ++h) {  // between neighbours: below the middle down, at it to even, above it up
    const float low = half_to_float(static_cast<uint16_t>(h));
    const float high = half_to_float(static_cast<uint16_t>(h + 1));
    const float middle = low + (high - low) / 2;
    ASSERT_EQ(float_to_half(std::nextafter(middle, low)), h);
    ASSERT_EQ(float_to_half(middle), h + h % 2);
    ASSERT_EQ(float_to_half(std::nextafter(middle, high)), h + 1);
    ASSERT_EQ(float_to_half(-middle), (h + h % 2) | 0x8000U);
  }
  EXPECT_EQ(float_to_half(65519.996F), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0F), 0x7C00);
  EXPECT_EQ(float_to_half(1e30F), 0x7C00);
  EXPECT_EQ(float_to_half(-INFINITY), 0xFC00);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(NAN))));
}

TEST(Pack, RowsComeBackAsDecoded) {
  Rng rng(1);
  ThreadPool pool(2);
  Arena arena;
  for (const TensorTypeInfo& row : kTensorTypes) {
    for (const Precision precision : {Precision::kNative, Precision::kFloat32}) {
      for (const int n_cols : {256, 768}) {
        const int n_rows = 1051;  // some tasks of whole groups, and part of a group
        const auto data = random_weights(row.type, int64_t{n_rows} * n_cols, Weights::kWild, rng);
        std::atomic<size_t> n_done{0};
        const PackedMatrix matrix = pack(row.type, data, n_rows, n_cols, precision, arena, pool,
                                         [&](std::span<const std::byte> part) { n_done += part.size(); });
        EXPECT_EQ(n_done.load(), data.size());
        const size_t row_bytes = static_cast<size_t>(n_cols) / row.block_values * row.block_bytes;
        for (int r = 0; r < n_rows; ++r) {
          std::vector<float> expected(n_cols);
          std::vector<float> found(n_cols);
          decode(row.type, data.data() + static_cast<size_t>(r) * row_bytes, n_cols, expected.data());
          unpack_row(matrix, r, found.data());
          ASSERT_EQ(first_difference(expected, found), -1) << row.name << " row " << r;
        }
      }
    }
  }
}

// The code of a row and column of a block, as format.h draws its planes.
int drawn_code(int code_bits, const std::byte* planes, int row, int column) {
  const int j = column / 4;
  const auto vector = [&](int v) { return static_cast<int>(planes[64 * v + 4 * row + column % 4]); };
  switch (code_bits) {
    case 8:
      return vector(j);
    case 4:
      return vector(j % 4) >> (j / 4 * 4) & 15;
    case 2:
      return vector(j / 4) >> (2 * (j % 4)) & 3;
    case 5:
      return (vector(0) >> j & 1) << 4 | drawn_code(4, planes + 64, row, column);
    case 3:
      return (vector(0) >> j & 1) << 2 | drawn_code(2, planes + 64, row, column);
    default:
      return drawn_code(2, planes, row, column) << 4 | drawn_code(4, planes + 128, row, column);
  }
}

// Sets every scale of the blocks to 1 and every minimum to 0, so that values are integer weights.
void set_scales_to_one(TensorType type, std::span<std::byte> bytes) {
  const HalfFields fields = half_fields(type);
  const auto put = [&](size_t at, std::initializer_list<int> values) {
    for (const int value : values) bytes[at++] = static_cast<std::byte>(value);
  };
  for (size_t block = 0; block < bytes.size(); block += info(type).block_bytes) {
    put(block + fields.scale, {0x00, 0x3C});
    if (fields.minimum >= 0) put(block + fields.minimum, {0, 0});
    const size_t subs = type == TensorType::kQ6_K ? 192 : 0;
    if (type == TensorType::kQ2_K || type == TensorType::kQ6_K) {
      put(block + subs, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
    }
    if (type == TensorType::kQ3_K) {  // 33, less 32: four low bits, then two high ones
      put(block + 96, {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0xAA, 0xAA, 0xAA, 0xAA});
    }
    if (type == TensorType::kQ4_K || type == TensorType::kQ5_K) {
      put(block + 4, {1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1});
    }
  }
}

TEST(Pack, CodesLieAsFormatHDrawsThem) {
  Rng rng(3);
  constexpr int kRows = 37;
  constexpr int kCols = 768;
  for (int f = 0; f < kFormatCount; ++f) {
    const auto format = static_cast<PackedFormat>(f);
    const FormatRow& row = format_row(format);
    if (row.code_bits == 0) continue;
    auto data = random_weights(row.type, int64_t{kRows} * kCols, Weights::kPlain, rng);
    set_scales_to_one(row.type, data);
    std::vector<float> values(size_t{kRows} * kCols);
    decode(row.type, data.data(), kRows * kCols, values.data());
    const PackedMatrix matrix = pack_one(row.type, data, kRows, kCols);
    for (int i = 0; i < kRows * kCols; ++i) {
      const int r = i / kCols;
      const int c = i % kCols;
      const BlockPlace place = block_place(format, static_cast<size_t>(c) / kBlockValues);
      int code =
          drawn_code(row.code_bits, matrix.group(r / kLanes) + place.planes, r % kLanes, c % kBlockValues);
      if (format == PackedFormat::kIQ4_NL) code = kIq4NlValues[code];
      ASSERT_EQ(code - row.offset, values[static_cast<size_t>(i)])
          << info(row.type).name << " row " << r << " column " << c;
    }
  }
}

TEST(Pack, RunsBeginApartWithinAPage) {
  constexpr size_t kPage = 4096;
  for (const int n_cols : {576, 640, 1536, 2048, 4096, 5632}) {
    for (const int n_rows : {16, 100, 192, 576, 2048, 49152}) {
      PackedMatrix matrix;
      matrix.n_rows = n_rows;
      matrix.group_bytes = group_bytes(PackedFormat::kQ4_0, n_cols);
      EXPECT_EQ(group_runs(matrix, 1).runs.end, matrix.n_groups());
      const auto [runs, rest] = group_runs(matrix, 4);
      const int length = runs.end;
      EXPECT_EQ(runs.stride, length);
      EXPECT_EQ(rest.begin, 4 * length);
      EXPECT_EQ(rest.end, matrix.n_groups());
      EXPECT_LE(rest.begin, rest.end);
      EXPECT_GT(4 * (length + 4), matrix.n_groups());
      if (length < 16) continue;  // the few lengths there are to choose from may all be alike
      for (int run = 1; run < 4; ++run) {
        const size_t offset = static_cast<size_t>(run * length) * matrix.group_bytes % kPage;
        EXPECT_GE(std::min(offset, kPage - offset), 128U) << n_cols << " columns, " << n_rows << " rows";
      }
    }
  }
}

TEST(Pack, StaysCloseToTheSourceSize) {
  Rng rng(2);
  for (const TensorTypeInfo& row : kTensorTypes) {
    const int n_cols = 1536;
    const std::vector<std::byte> data = random_weights(row.type, int64_t{64} * n_cols, Weights::kPlain, rng);
    const PackedMatrix matrix = pack_one(row.type, data, 64, n_cols);
    EXPECT_LE(static_cast<double>(matrix.n_bytes()), 1.04 * static_cast<double>(data.size())) << row.name;
  }
}

}  // namespace
}  // namespace pellucid::kernels::test
