// Products against a model in double: decoded weights times the exact values of the (quantised) activations.
#include <gtest/gtest.h>

#include <numeric>

#include "kernels/support.h"
#include "kernels/tested_tables.h"

namespace pellucid::kernels::test {
namespace {

struct Reference {
  double sum;
  double magnitude;  // sum of |terms|, the yardstick of rounding errors
};

Reference reference(std::span<const float> w, std::span<const double> x) {
  Reference r{0, 0};
  for (size_t k = 0; k < w.size(); ++k) {
    r.sum += w[k] * x[k];
    r.magnitude += std::abs(w[k] * x[k]);
  }
  return r;
}

// The activations as the product of `w` sees them.
std::vector<double> seen_values(const KernelTable& table, const PackedMatrix& w, const Activations& x) {
  const auto n_cols = static_cast<size_t>(x.n_cols);
  const auto n_tokens = static_cast<size_t>(x.n_tokens);
  std::vector<double> values(x.floats, x.floats + n_tokens * n_cols);
  for (size_t t = 0; w.wants_quantized() && t < n_tokens; ++t) {
    const StripSpot spot(table.strip_layout, t, n_tokens);
    for (size_t k = 0; k < n_cols; ++k) {
      const float scale = x.quantized.scales[spot.one(k / 32, n_cols / 32)];
      values[t * n_cols + k] = double{scale} * spot.integer(x.quantized, k, n_cols);
    }
  }
  return values;
}

TEST(Matmul, AgreesWithDouble) {
  Rng rng(10);
  const int n_rows = 37;
  const int n_cols = 1024;
  const int n_tokens = 31;  // strips of each width
  for (const TensorTypeInfo& row : kTensorTypes) {
    const std::vector<std::byte> data =
        random_weights(row.type, int64_t{n_rows} * n_cols, Weights::kPlain, rng);
    for (const Precision precision : {Precision::kNative, Precision::kFloat32}) {
      const PackedMatrix w = pack_one(row.type, data, n_rows, n_cols, precision);
      EXPECT_EQ(w.wants_quantized(), precision == Precision::kNative && row.block_values > 1);
      for (const KernelTable* table : tested_tables()) {
        Batch batch(*table, spiky_floats(size_t{n_tokens} * n_cols, rng), n_cols);
        const Activations x = batch.all();
        const std::vector<double> seen = seen_values(*table, w, x);
        std::vector<float> y(size_t{n_tokens} * n_rows);
        table->matmul(w, x, y.data(), n_rows, {0, w.n_groups()});
        for (int r = 0; r < n_rows; ++r) {
          std::vector<float> weights(n_cols);
          unpack_row(w, r, weights.data());
          for (int t = 0; t < n_tokens; ++t) {
            const auto [sum, magnitude] = reference(weights, {seen.data() + size_t{1024} * t, size_t{1024}});
            ASSERT_NEAR(y[t * n_rows + r], sum, 2e-6 * magnitude) << row.name << " " << table->name;
          }
        }
      }
    }
  }
}

TEST(Matmul, FloatWeightsTakeAnyNumberOfColumns) {
  Rng rng(11);
  const int n_cols = 45;
  const std::vector<std::byte> data =
      random_weights(TensorType::kF16, int64_t{20} * n_cols, Weights::kPlain, rng);
  const PackedMatrix w = pack_one(TensorType::kF16, data, 20, n_cols);
  for (const KernelTable* table : tested_tables()) {
    Batch batch(*table, random_floats(n_cols, rng), n_cols);
    std::vector<float> y(20);
    table->matmul(w, batch.all(), y.data(), 20, {0, w.n_groups()});
    for (int r = 0; r < 20; ++r) {
      std::vector<float> weights(n_cols);
      unpack_row(w, r, weights.data());
      const auto [sum, magnitude] = reference(weights, seen_values(*table, w, batch.all()));
      ASSERT_NEAR(y[r], sum, 2e-6 * magnitude);
    }
  }
}

// The integers of a block of one row.
std::array<int, 32> integers(const QuantizedRows& q, int block) {
  std::array<int, 32> r{};
  for (int i = 0; i < 32; ++i) {
    r[i] = q.low[32 * block + i] + (i / 4 == q.high_groups[block] ? 8 * q.high[4 * block + i % 4] : 0);
  }
  return r;
}

// How far apart integers of 8 significant bits are around q.
int spacing(int q) { return std::abs(q) < 256 ? 1 : std::abs(q) < 512 ? 2 : 4; }

TEST(Quantize, NearestOfEightBitsAndExactSums) {
  Rng rng(12);
  const int n_cols = 4096;
  std::vector<float> values = random_floats(n_cols, rng, 10.0F);
  std::fill_n(values.begin() + 64, 32, 0.0F);    // a block of zeros
  std::fill_n(values.begin() + 96, 32, 1e-40F);  // a subnormal one
  values[128] = 100.0F;                          // one that stands out
  values[160] = -1e6F;                           // and one that stands out too far for two digits
  for (const KernelTable* table : tested_tables()) {
    Batch batch(*table, values, n_cols);
    const QuantizedRows q = batch.rows();
    for (int b = 0; b < n_cols / 32; ++b) {
      const std::span<const float> block(values.data() + 32 * b, 32);
      const std::array<int, 32> found = integers(q, b);
      const auto magnitude = [](float x, float y) { return std::abs(x) < std::abs(y); };
      const auto largest = std::max_element(block.begin(), block.end(), magnitude) - block.begin();
      ASSERT_EQ(q.high_groups[b], largest / 4);
      const double step = q.scales[b];
      int most = 0;
      for (int i = 0; i < 32; ++i) {
        if (b != 3) {
          ASSERT_LE(std::abs(block[i] - step * found[i]), step * spacing(found[i]) * 0.5001) << "block " << b;
        }
        ASSERT_EQ(found[i] % spacing(found[i]), 0) << "block " << b;
        if (i / 4 != largest / 4) most = std::max(most, std::abs(found[i]));
      }
      if (b != 2 && b != 3 && b != 5) {
        ASSERT_EQ(most, 127);
      }
      if (b == 5) {
        ASSERT_EQ(found[0], -127 * 8);
      }
      ASSERT_EQ(q.firsts[b], std::accumulate(found.begin(), found.begin() + 16, 0));
      ASSERT_EQ(q.sums[b], std::accumulate(found.begin(), found.end(), 0));
    }
  }
}

TEST(Quantize, IntegersAreTheNearestOfEightBits) {
  std::vector<float> values;
  for (int i = 0; i <= 4 * 1016; ++i) {  // blocks of scale 1
    for (const float sign : {1.0F, -1.0F}) {
      values.resize(values.size() + 32);
      values[values.size() - 32] = sign * static_cast<float>(i) / 4;
      values[values.size() - 5] = 127;
      values[values.size() - 1] = 127;
    }
  }
  const int n_blocks = static_cast<int>(values.size()) / 32;
  for (const KernelTable* table : tested_tables()) {
    Batch batch(*table, values, n_blocks * 32);
    for (int b = 0; b < n_blocks; ++b) {
      const float v = values[size_t{32} * b];
      const float step = std::abs(v) < 256 ? 1 : std::abs(v) < 512 ? 2 : 4;
      ASSERT_EQ(batch.rows().scales[b], 1.0F);
      ASSERT_EQ(integers(batch.rows(), b)[0], step * std::nearbyint(v / step)) << v << " " << table->name;
    }
  }
}

TEST(Quantize, NonFiniteActivationsGiveNonFiniteProducts) {
  Rng rng(13);
  const std::vector<std::byte> data = random_weights(TensorType::kQ8_0, 16 * 64, Weights::kPlain, rng);
  const PackedMatrix w = pack_one(TensorType::kQ8_0, data, 16, 64);
  for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    for (const KernelTable* table : tested_tables()) {
      for (const size_t n_tokens : {1, 9, 16}) {
        std::vector<float> values = random_floats(64 * n_tokens, rng);
        values[40] = bad;
        Batch batch(*table, values, 64);
        std::vector<float> y(16 * n_tokens);
        table->matmul(w, batch.all(), y.data(), 16, {0, 1});
        for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isfinite(y[i]), i >= 16) << table->name;
      }
    }
  }
}

}  // namespace
}  // namespace pellucid::kernels::test
