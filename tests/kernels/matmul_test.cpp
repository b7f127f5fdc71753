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
    const StripSpot spot(t, n_tokens);
    const int bias = spot.width == kStripTokens ? table.strip_bias : 0;
    const auto integer = [bias](int8_t value) { return static_cast<int8_t>(value ^ bias); };
    for (size_t k = 0; k < n_cols; ++k) {
      const size_t one = spot.one(k / 32, n_cols / 32);
      const size_t at = spot.value(k, n_cols);
      const double fine = x.quantized.is_fine[one] != 0 ? integer(x.quantized.fine.values[at]) / 256.0 : 0.0;
      values[t * n_cols + k] = x.quantized.scales[one] * (integer(x.quantized.coarse.values[at]) + fine);
    }
  }
  return values;
}

TEST(Matmul, AgreesWithDouble) {
  Rng rng(10);
  const int n_rows = 37;
  const int n_cols = 1024;
  const int n_tokens = 15;  // strips of each width
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

void expect_sums(const QuantizedDigit& digit, int block) {
  const int8_t* values = digit.values + 32 * block;
  ASSERT_EQ(digit.firsts[block], std::accumulate(values, values + 16, 0));
  ASSERT_EQ(digit.sums[block], std::accumulate(values, values + 32, 0));
}

TEST(Quantize, HalfAStepAtMostAndExactSums) {
  Rng rng(12);
  const int n_cols = 4096;
  std::vector<float> values = random_floats(n_cols, rng, 10.0F);
  std::fill_n(values.begin() + 64, 32, 0.0F);    // a block of zeros
  std::fill_n(values.begin() + 96, 32, 1e-40F);  // a subnormal one
  values[128] = 1000.0F;                         // one that stands out
  for (const KernelTable* table : tested_tables()) {
    Batch batch(*table, values, n_cols);
    const QuantizedRows q = batch.rows();
    for (int b = 0; b < n_cols / 32; ++b) {
      const double step = q.scales[b];
      int largest = 0;
      for (int i = 0; i < 32; ++i) {
        const int coarse = q.coarse.values[32 * b + i];
        const int fine = q.is_fine[b] != 0 ? q.fine.values[32 * b + i] : 0;
        const double rest = std::abs(values[32 * b + i] - step * (coarse + fine / 256.0));
        if (b != 3) {
          ASSERT_LE(rest, b == 4 ? step * 1.01 / 256 : step * 0.5001) << "block " << b;
        }
        largest = std::max(largest, std::abs(coarse));
      }
      ASSERT_EQ(q.is_fine[b], b == 4 ? 1 : 0);
      if (b != 2 && b != 3) {
        ASSERT_EQ(largest, 127);
      }
      expect_sums(q.coarse, b);
      if (b == 4) expect_sums(q.fine, b);
    }
  }
}

TEST(Quantize, NonFiniteActivationsGiveNonFiniteProducts) {
  Rng rng(13);
  const std::vector<std::byte> data = random_weights(TensorType::kQ8_0, 16 * 64, Weights::kPlain, rng);
  const PackedMatrix w = pack_one(TensorType::kQ8_0, data, 16, 64);
  for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    for (const KernelTable* table : tested_tables()) {
      std::vector<float> values = random_floats(64, rng);
      values[40] = bad;
      Batch batch(*table, values, 64);
      std::vector<float> y(16);
      table->matmul(w, batch.all(), y.data(), 16, {0, 1});
      for (const float v : y) EXPECT_FALSE(std::isfinite(v));
    }
  }
}

}  // namespace
}  // namespace pellucid::kernels::test
