// Functions, norms, rotary embedding and attention against double precision.
#include <gtest/gtest.h>

#include <numbers>

#include "kernels/support.h"
#include "kernels/tested_tables.h"

namespace pellucid::kernels::test {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu_tanh(double x) {
  return x * sigmoid(2 * std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x));
}

// A sweep of a range, values near 0 and the borders of the polynomials.
std::vector<float> sweep(float low, float high) {
  std::vector<float> x;
  for (int i = 0; i <= 20000; ++i) x.push_back(low + (high - low) * static_cast<float>(i) / 20000.0F);
  for (int e = -30; e < 0; ++e) x.insert(x.end(), {std::ldexp(1.37F, e), -std::ldexp(1.37F, e)});
  return x;
}

void expect_relative(double found, double expected, double tolerance, const std::string& what) {
  constexpr double kSmallest = 1.2e-38;  // below, float32 is subnormal
  EXPECT_NEAR(found, expected, std::max(tolerance * std::abs(expected), kSmallest)) << what;
}

TEST(Functions, SiluGeluAndSoftcapAreAccurate) {
  for (const KernelTable* table : tested_tables()) {
    const std::vector<float> x = sweep(-80, 80);
    const int n = static_cast<int>(x.size());
    const std::vector<float> ones(x.size(), 1.0F);
    std::vector<float> silu = x;
    table->silu_mul(silu.data(), ones.data(), n);
    std::vector<float> cap = x;
    table->softcap(cap.data(), 8.0F, n);
    for (size_t i = 0; i < x.size(); ++i) {
      const std::string at = std::string(table->name) + " at " + std::to_string(x[i]);
      expect_relative(silu[i], x[i] * sigmoid(x[i]), 3e-7, "silu " + at);
      expect_relative(cap[i], 8 * std::tanh(x[i] / 8.0), 3e-7, "softcap " + at);
    }
    const std::vector<float> z = sweep(-4, 4);
    std::vector<float> gelu = z;
    table->gelu(gelu.data(), static_cast<int>(z.size()));
    std::vector<float> product = z;
    const std::vector<float> twos(z.size(), 2.0F);
    table->gelu_mul(product.data(), twos.data(), static_cast<int>(z.size()));
    for (size_t i = 0; i < z.size(); ++i) {  // the exponent, up to 13, carries its own rounding
      expect_relative(gelu[i], gelu_tanh(z[i]), 2e-6, "gelu at " + std::to_string(z[i]));
      EXPECT_EQ(product[i], 2 * gelu[i]);
    }
  }
}

TEST(Functions, LimitsAndNaN) {
  for (const KernelTable* table : tested_tables()) {
    const std::vector<float> x = {INFINITY, -INFINITY, NAN, 3e38F, -3e38F, 0.0F, -0.0F, 200.0F, -200.0F};
    const std::vector<float> ones(x.size(), 1.0F);
    const int n = static_cast<int>(x.size());
    std::vector<float> silu = x;
    table->silu_mul(silu.data(), ones.data(), n);
    std::vector<float> gelu = x;
    table->gelu(gelu.data(), n);
    for (const std::vector<float>& y : {silu, gelu}) {
      EXPECT_EQ(y[0], INFINITY);
      EXPECT_EQ(y[1], 0.0F);
      EXPECT_TRUE(std::isnan(y[2]));
      EXPECT_EQ(y[3], 3e38F);
      EXPECT_EQ(y[4], 0.0F);
      EXPECT_EQ(y[5], 0.0F);
      EXPECT_EQ(y[7], 200.0F);
      EXPECT_EQ(y[8], 0.0F);
    }
    std::vector<float> cap = x;
    table->softcap(cap.data(), 30.0F, n);
    EXPECT_EQ(cap[0], 30.0F);
    EXPECT_EQ(cap[1], -30.0F);
    EXPECT_TRUE(std::isnan(cap[2]));
    EXPECT_EQ(cap[4], -30.0F);
    EXPECT_EQ(cap[5], 0.0F);
  }
}

TEST(Norms, AgreeWithDouble) {
  Rng rng(14);
  for (const KernelTable* table : tested_tables()) {
    for (const int n : {1, 5, 64, 576, 1000}) {
      const std::vector<float> x = random_floats(n, rng, 20.0F);
      const std::vector<float> w = random_floats(n, rng);
      const std::vector<float> b = random_floats(n, rng);
      double mean = 0;
      double squares = 0;
      for (const float v : x) {
        mean += static_cast<double>(v) / n;
        squares += static_cast<double>(v) * v / n;
      }
      double variance = 0;
      for (const float v : x) variance += (v - mean) * (v - mean) / n;
      std::vector<float> rms(n);
      std::vector<float> layer(n);
      table->rms_norm(x.data(), w.data(), 1e-3F, n, rms.data());
      table->layer_norm(x.data(), w.data(), b.data(), 1e-3F, n, layer.data());
      for (int i = 0; i < n; ++i) {
        EXPECT_NEAR(rms[i], x[i] / std::sqrt(squares + 1e-3) * w[i], 1e-5);
        EXPECT_NEAR(layer[i], (x[i] - mean) / std::sqrt(variance + 1e-3) * w[i] + b[i], 1e-4);
      }
    }
  }
}

TEST(Rope, RotatesPairsAndLeavesTheRest) {
  Rng rng(15);
  const int head_dim = 24;
  const int n_rot = 16;
  const std::vector<float> x = random_floats(size_t{3} * head_dim, rng);
  std::vector<float> cos(n_rot / 2);
  std::vector<float> sin(n_rot / 2);
  for (int i = 0; i < n_rot / 2; ++i) {
    cos[i] = std::cos(0.3F * static_cast<float>(i + 1));
    sin[i] = std::sin(0.3F * static_cast<float>(i + 1));
  }
  for (const KernelTable* table : tested_tables()) {
    for (const RopePairing pairing : {RopePairing::kAdjacent, RopePairing::kHalf}) {
      std::vector<float> y = x;
      table->rope(y.data(), 3, head_dim, n_rot, cos.data(), sin.data(), pairing);
      for (int h = 0; h < 3; ++h) {
        for (int i = 0; i < n_rot / 2; ++i) {
          const int a = h * head_dim + (pairing == RopePairing::kHalf ? i : 2 * i);
          const int b = pairing == RopePairing::kHalf ? a + n_rot / 2 : a + 1;
          EXPECT_NEAR(y[a], x[a] * cos[i] - x[b] * sin[i], 1e-6);
          EXPECT_NEAR(y[b], x[b] * cos[i] + x[a] * sin[i], 1e-6);
        }
        for (int i = n_rot; i < head_dim; ++i) EXPECT_EQ(y[h * head_dim + i], x[h * head_dim + i]);
      }
    }
  }
}

// One head's attention in double.
std::vector<double> attend(const float* q, const std::vector<float>& keys, const std::vector<float>& values,
                           int head_dim, int begin, int end, double scale) {
  std::vector<double> weights;
  for (int p = begin; p < end; ++p) {
    double score = 0;
    for (int d = 0; d < head_dim; ++d) score += static_cast<double>(q[d]) * keys[size_t(p) * head_dim + d];
    weights.push_back(score * scale);
  }
  const double largest = *std::max_element(weights.begin(), weights.end());
  double total = 0;
  for (double& w : weights) total += w = std::exp(w - largest);
  std::vector<double> out(head_dim);
  for (int p = begin; p < end; ++p) {
    for (int d = 0; d < head_dim; ++d)
      out[d] += weights[p - begin] / total * values[size_t(p) * head_dim + d];
  }
  return out;
}

// The scale of a block of 32 in a cache of int8.
double scale_of(std::span<const float> block) {
  float largest = 0;
  for (const float f : block) largest = std::max(largest, std::abs(f));
  return half_to_float(float_to_half(largest / 127.0F));
}

// Rows that a cache of this type keeps as they are.
std::vector<float> kept_floats(size_t n, KvType type, Rng& rng) {
  std::vector<float> x = random_floats(n, rng);
  if (type != KvType::kQ8_0) {
    for (float& f : x) f = half_to_float(float_to_half(f));
    return x;
  }
  for (size_t i = 0; i < n; i += kBlockValues) {
    const double scale = scale_of({x.data() + i, kBlockValues});
    for (size_t k = i; k < i + kBlockValues; ++k) {
      x[k] = static_cast<float>(scale * std::clamp(std::nearbyint(x[k] / scale), -127.0, 127.0));
    }
  }
  return x;
}

TEST(Attention, AgreesWithDouble) {
  Rng rng(16);
  const int n_heads = 6;
  for (const KernelTable* table : tested_tables()) {
    for (const KvType type : {KvType::kF16, KvType::kF32, KvType::kQ8_0}) {
      for (const int head_dim : {64, type == KvType::kQ8_0 ? 96 : 80}) {
        for (const auto& [begin, end] : {std::pair{0, 1},
                                         {0, 16},
                                         {0, 17},
                                         {0, 33},
                                         {60, 90},
                                         {0, 63},
                                         {0, 64},
                                         {0, 65},
                                         {3, 64},
                                         {63, 65},
                                         {64, 128},
                                         {70, 75},
                                         {100, 300},
                                         {250, 770}}) {
          std::vector<float> q = random_floats(size_t{n_heads} * head_dim, rng, 2.0F);
          const std::vector<float> k = kept_floats(size_t(end) * head_dim, type, rng);
          const std::vector<float> v = kept_floats(size_t(end) * head_dim, type, rng);
          const int n_pages = (end + 63) / 64;
          std::vector<std::byte> cache(n_pages * kv_page_bytes(type, head_dim), std::byte{0xFF});
          std::vector<const std::byte*> pages;
          for (int p = 0; p < n_pages; ++p) pages.push_back(cache.data() + p * kv_page_bytes(type, head_dim));
          for (int p = begin; p < end; ++p) {  // positions before the window are gone: their slots hold NaN
            table->store_kv(k.data() + size_t(p) * head_dim, v.data() + size_t(p) * head_dim, head_dim, type,
                            p % 64, cache.data() + p / 64 * kv_page_bytes(type, head_dim));
          }
          if (begin >= 64) pages[0] = nullptr;  // a page wholly outside the window is never touched
          const std::vector<float> out = attend_at_once(
              *table,
              {q.data(), nullptr, nullptr, pages.data(), type, n_heads, head_dim, begin, end, 0.125F});
          for (int h = 0; h < n_heads; ++h) {
            const auto expected = attend(q.data() + h * head_dim, k, v, head_dim, begin, end, 0.125);
            for (int d = 0; d < head_dim; ++d) {
              ASSERT_NEAR(out[h * head_dim + d], expected[d], 4e-6)
                  << table->name << " " << begin << " " << end;
            }
          }
        }
      }
    }
  }
}

TEST(Attention, AWeightBelowTheLeastIsZero) {
  const int head_dim = 64;
  for (const KernelTable* table : tested_tables()) {
    for (const auto& [score, is_seen] :
         {std::pair{-60.0F, true}, {-68.5F, true}, {-69.5F, false}, {-500.0F, false}}) {
      std::vector<std::byte> page(kv_page_bytes(KvType::kF32, head_dim));
      std::vector<float> q(head_dim);
      q[0] = 1.0F;
      std::vector<float> k(head_dim);
      std::vector<float> v(head_dim);
      table->store_kv(k.data(), v.data(), head_dim, KvType::kF32, 0, page.data());  // score 0, value 0
      k[0] = score;
      v[5] = 0x1p80F;
      table->store_kv(k.data(), v.data(), head_dim, KvType::kF32, 1, page.data());
      const std::byte* pages[] = {page.data()};
      const std::vector<float> out =
          attend_at_once(*table, {q.data(), nullptr, nullptr, pages, KvType::kF32, 1, head_dim, 0, 2, 1.0F});
      const double expected = is_seen ? std::exp(static_cast<double>(score)) * 0x1p80 : 0;
      EXPECT_NEAR(out[5], expected, 2e-6 * expected) << table->name << " " << score;
    }
  }
}

TEST(Attention, AValueInInt8IsKeptToHalfAStep) {
  Rng rng(17);
  const int head_dim = 128;
  std::vector<float> v = random_floats(head_dim, rng, 3.0F);
  std::fill_n(v.begin() + 32, 32, 0.0F);
  for (int i = 64; i < 96; ++i) v[i] *= 1000.0F;
  const std::vector<float> q = random_floats(head_dim, rng);
  for (const KernelTable* table : tested_tables()) {
    std::vector<std::byte> page(kv_page_bytes(KvType::kQ8_0, head_dim), std::byte{0xFF});
    table->store_kv(q.data(), v.data(), head_dim, KvType::kQ8_0, 5, page.data());
    const std::byte* pages[] = {page.data()};
    const std::vector<float> out = attend_at_once(  // one position, whose weight is 1
        *table, {q.data(), nullptr, nullptr, pages, KvType::kQ8_0, 1, head_dim, 5, 6, 0.125F});
    for (int d = 0; d < head_dim; ++d) {
      const double step = scale_of({v.data() + d / kBlockValues * kBlockValues, kBlockValues});
      ASSERT_NEAR(out[d], v[d], step * 0.5625) << table->name;  // 127 steps of a rounded scale may fall short
    }
  }
}

}  // namespace
}  // namespace pellucid::kernels::test
