// Every entry of every table gives the bits of the scalar level, on ordinary and on extreme inputs.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <numeric>

#include "kernels/support.h"
#include "kernels/tested_tables.h"

namespace pellucid::kernels::test {
namespace {

const KernelTable& scalar() { return *available_tables().back(); }

/// Runs `f(table)` -> floats at every level; all must give the same bits.
void expect_same(const std::string& what, const std::function<std::vector<float>(const KernelTable&)>& f) {
  const std::vector<float> expected = f(scalar());
  for (const KernelTable* table : tested_tables()) {
    const std::vector<float> found = f(*table);
    const int64_t at = first_difference(expected, found);
    ASSERT_EQ(at, -1) << what << " at " << at << ": scalar " << expected[at] << ", " << table->name << " "
                      << found[at];
  }
}

TEST(Levels, ScalarIsLastAndNamesDiffer) {
  EXPECT_EQ(scalar().name, "scalar");
  for (const KernelTable* table : available_tables()) {
    ASSERT_EQ(setenv("PELLUCID_SIMD", std::string(table->name).c_str(), 1), 0);
    auto chosen = choose_table();
    ASSERT_TRUE(chosen.ok());
    EXPECT_EQ(chosen.value(), table);
  }
  ASSERT_EQ(setenv("PELLUCID_SIMD", "mmx", 1), 0);
  EXPECT_EQ(choose_table().error().code, ErrorCode::kUsage);
  unsetenv("PELLUCID_SIMD");
  EXPECT_EQ(choose_table().value(), available_tables().front());
}

TEST(Levels, Quantize) {
  Rng rng(3);
  const int n_cols = 512;
  std::vector<float> x = wild_floats(size_t{37} * n_cols, rng);
  const std::vector<float> spiky = spiky_floats(size_t{37} * n_cols, rng);
  x.insert(x.end(), spiky.begin(), spiky.end());
  std::vector<float> small = spiky_floats(size_t{32} * n_cols, rng);
  for (size_t i = 0; i < small.size(); i += 32) {  // scales that are no normal numbers, or 0
    const float factor = rng() % 4 == 0 ? -0.0F : std::ldexp(1.0F, -120 - static_cast<int>(rng() % 30));
    for (size_t k = 0; k < 32; ++k) small[i + k] *= factor;
  }
  x.insert(x.end(), small.begin(), small.end());
  const std::vector<float> extreme = extreme_floats(size_t{32} * n_cols, rng);
  x.insert(x.end(), extreme.begin(), extreme.end());
  Batch expected(scalar(), x, n_cols);
  const QuantizedRows a = expected.rows();
  for (const KernelTable* table : tested_tables()) {
    Batch found(*table, x, n_cols);
    const QuantizedRows b = found.rows();
    const size_t n_tokens = x.size() / n_cols;
    const size_t n_blocks = n_cols / 32;
    for (size_t t = 0; t < n_tokens; ++t) {
      const StripSpot spot_a(scalar().strip_layout, t, n_tokens);
      const StripSpot spot_b(table->strip_layout, t, n_tokens);
      for (size_t block = 0; block < n_blocks; ++block) {
        const size_t at_a = spot_a.one(block, n_blocks);
        const size_t at_b = spot_b.one(block, n_blocks);
        ASSERT_TRUE(same_bits(a.scales[at_a], b.scales[at_b])) << table->name;
        ASSERT_EQ(spot_a.sum(a.sums[at_a]), spot_b.sum(b.sums[at_b])) << table->name;
        ASSERT_EQ(spot_a.sum(a.firsts[at_a]), spot_b.sum(b.firsts[at_b])) << table->name;
        if (!spot_b.is_tile()) {
          ASSERT_EQ(a.high_groups[at_a], b.high_groups[at_b]) << table->name;
        }
      }
      for (size_t k = 0; k < static_cast<size_t>(n_cols); ++k) {
        ASSERT_EQ(spot_b.integer(b, k, n_cols), spot_a.integer(a, k, n_cols)) << table->name;
        if (spot_b.is_tile()) continue;
        const auto expected_digits = spot_a.digits(a, k, n_cols);
        const auto found_digits = spot_b.digits(b, k, n_cols);
        ASSERT_EQ(found_digits.low, expected_digits.low) << table->name;
        ASSERT_EQ(found_digits.high, expected_digits.high) << table->name;
      }
    }
  }
}

// As the model layer does it behind a product: some columns at a time, of rows that lie further apart.
TEST(Levels, QuantizeByColumns) {
  Rng rng(19);
  const int n_cols = 256;
  const int n_tokens = 43;
  const std::vector<float> x = spiky_floats(size_t{n_tokens} * n_cols, rng);
  const int n_kept = 48;  // with copies in whole strips
  const auto count = static_cast<size_t>(n_kept * n_cols / kBlockValues);
  for (const KernelTable* table : tested_tables()) {
    Batch whole(*table, x, n_cols);
    QuantizedBuffer in_parts(n_tokens, n_cols);
    const QuantizedRows a = whole.rows();
    const QuantizedRows b = in_parts.rows();
    for (const auto& [first, n] : {std::pair{224, 32}, {0, 96}, {96, 128}}) {
      std::vector<float> part(size_t{n_tokens} * 200, 777.0F);
      for (int t = 0; t < n_tokens; ++t) {
        std::copy_n(&x[size_t(t) * n_cols + first], n, &part[size_t(t) * 200]);
      }
      table->quantize(part.data(), 200, n_tokens, {first, n, n_cols}, b);
    }
    const auto same = [&](const auto* of_whole, const auto* of_parts, size_t bytes) {
      EXPECT_EQ(std::memcmp(of_whole, of_parts, bytes), 0) << table->name;
    };
    same(a.low, b.low, size_t(n_kept) * strip_row_bytes(table->strip_layout, n_cols));
    same(a.high, b.high, 4 * count);
    same(a.high_groups, b.high_groups, count);
    same(a.sums, b.sums, 4 * count);
    same(a.firsts, b.firsts, 4 * count);
    same(a.scales, b.scales, 4 * count);
  }
}

TEST(Levels, Elementwise) {
  Rng rng(4);
  for (const int n : {1, 7, 16, 33, 256, 1000}) {
    for (int round = 0; round < 20; ++round) {
      const std::vector<float> x = wild_floats(n, rng);
      const std::vector<float> y = wild_floats(n, rng);
      const std::vector<float> z = wild_floats(n, rng);
      const auto in_place = [&](const std::string& what, auto f) {
        expect_same(what, [&](const KernelTable& t) {
          std::vector<float> r = x;
          f(t, r.data());
          return r;
        });
      };
      in_place("silu_mul", [&](const KernelTable& t, float* r) { t.silu_mul(r, y.data(), n); });
      in_place("gelu_mul", [&](const KernelTable& t, float* r) { t.gelu_mul(r, y.data(), n); });
      in_place("gelu", [&](const KernelTable& t, float* r) { t.gelu(r, n); });
      in_place("add", [&](const KernelTable& t, float* r) { t.add(r, y.data(), n); });
      in_place("scale", [&](const KernelTable& t, float* r) { t.scale(r, 0.37F, n); });
      in_place("softcap", [&](const KernelTable& t, float* r) { t.softcap(r, 30.0F, n); });
      in_place("rms_norm", [&](const KernelTable& t, float* r) { t.rms_norm(r, y.data(), 1e-5F, n, r); });
      in_place("layer_norm",
               [&](const KernelTable& t, float* r) { t.layer_norm(r, y.data(), z.data(), 1e-5F, n, r); });
    }
  }
}

TEST(Levels, NormsOfOrdinaryRows) {
  Rng rng(5);
  for (const int n : {16, 64, 100, 576, 640}) {
    const std::vector<float> x = random_floats(n, rng, 3.0F);
    const std::vector<float> w = random_floats(n, rng);
    const std::vector<float> b = random_floats(n, rng);
    expect_same("rms_norm", [&](const KernelTable& t) {
      std::vector<float> r(n);
      t.rms_norm(x.data(), w.data(), 1e-6F, n, r.data());
      return r;
    });
    expect_same("layer_norm", [&](const KernelTable& t) {
      std::vector<float> r(n);
      t.layer_norm(x.data(), w.data(), b.data(), 1e-6F, n, r.data());
      return r;
    });
  }
}

TEST(Levels, Rope) {
  Rng rng(6);
  for (const RopePairing pairing : {RopePairing::kAdjacent, RopePairing::kHalf}) {
    for (const int n_rot : {2, 32, 64, 80}) {
      const int head_dim = 80;
      const std::vector<float> x = wild_floats(size_t{5} * head_dim, rng);
      const std::vector<float> cos = random_floats(n_rot / 2, rng);
      const std::vector<float> sin = random_floats(n_rot / 2, rng);
      expect_same("rope", [&](const KernelTable& t) {
        std::vector<float> r = x;
        t.rope(r.data(), 5, head_dim, n_rot, cos.data(), sin.data(), pairing);
        return r;
      });
    }
  }
}

TEST(Levels, Attention) {
  Rng rng(7);
  for (const KvType type : {KvType::kF16, KvType::kF32, KvType::kQ8_0}) {
    for (const int head_dim : {16, 64, 80, 96, 256}) {
      if (type == KvType::kQ8_0 && head_dim % kBlockValues != 0) continue;
      for (const int n_heads : {1, 3, 4, 9}) {
        const int end = 1 + static_cast<int>(rng() % (n_heads == 3 ? 1500 : 200));
        const int begin = static_cast<int>(rng() % static_cast<uint64_t>(end));
        const int n_pages = (end + kPagePositions - 1) / kPagePositions;
        const float spread = n_heads == 4 ? 100.0F : 1.0F;  // of scores: most weights vanish
        const std::vector<float> q = random_floats(size_t{16} * head_dim, rng, spread);
        const std::vector<float> kv = random_floats(size_t{2} * end * head_dim, rng);
        expect_same("attention", [&](const KernelTable& t) {
          std::vector<std::vector<std::byte>> pages(n_pages);
          std::vector<const std::byte*> addresses;
          for (auto& page : pages) {
            page.assign(kv_page_bytes(type, head_dim), std::byte{0xFF});  // unwritten slots hold NaN
            addresses.push_back(page.data());
          }
          for (int p = 0; p < end; ++p) {
            const float* k = kv.data() + size_t{2} * p * head_dim;
            t.store_kv(k, k + head_dim, head_dim, type, p % kPagePositions, pages[p / kPagePositions].data());
          }
          const AttentionTask task{q.data(), nullptr, nullptr, addresses.data(), type, n_heads, head_dim,
                                   begin,    end,     0.125F};
          std::vector<float> out = attend_at_once(t, task);
          EXPECT_EQ(first_difference(out, attend_by_spans(t, task)), -1);
          for (const float v : out) EXPECT_TRUE(std::isfinite(v));
          return out;
        });
      }
    }
  }
}

// Tokens that follow each other: each as if it were alone, whatever the last one stored.
TEST(Levels, AttentionOfARun) {
  Rng rng(31);
  struct Case {
    int n_heads, n_tokens, position, window;
  };
  for (const KvType type : {KvType::kF16, KvType::kF32}) {
    for (const int head_dim : {16, 64, 80, 512}) {
      for (const Case& one : {Case{3, 21, 0, 0}, Case{1, 64, 40, 0}, Case{4, 16, 250, 0}, Case{2, 5, 511, 0},
                              Case{7, 9, 300, 33}, Case{5, 12, 700, 300}, Case{8, 8, 124, 64},
                              Case{3, 16, 290, 40}, Case{1, 2, 0, 1}, Case{64, 1, 70, 0}}) {
        const int n_heads = one.n_heads;
        const int n_tokens = one.n_tokens;
        const int position = one.position;
        const int window = one.window;
        const int end = position + n_tokens;
        const int first = window == 0 ? 0 : std::max(0, position + 1 - window);
        const int n_pages = (end + kPagePositions - 1) / kPagePositions;
        const int64_t stride = int64_t{n_heads + 1} * head_dim;  // heads of another kv head in between
        const std::vector<float> q = random_floats(size_t(n_tokens) * stride, rng, 3.0F);
        std::vector<float> kv = random_floats(size_t{2} * end * head_dim, rng);
        if (n_tokens > 1) std::fill_n(kv.end() - 2 * head_dim, 2 * head_dim, INFINITY);
        expect_same("attention_run", [&](const KernelTable& t) {
          std::vector<std::byte> pages(n_pages * kv_page_bytes(type, head_dim), std::byte{0xFF});  // NaN
          std::vector<const std::byte*> addresses;
          for (int p = 0; p < n_pages; ++p) {
            std::byte* page = pages.data() + p * kv_page_bytes(type, head_dim);
            addresses.push_back((p + 1) * kPagePositions <= first ? nullptr : page);
            for (int i = p * kPagePositions; i < std::min(end, (p + 1) * kPagePositions); ++i) {
              const float* k = kv.data() + size_t{2} * i * head_dim;
              if (i >= first) t.store_kv(k, k + head_dim, head_dim, type, i % kPagePositions, page);
            }
          }
          std::vector<float> out(q.size(), 7.0F);
          t.attention_run({q.data(), out.data(), stride, addresses.data(), type, n_heads, head_dim, n_tokens,
                           position, window, 0.125F});
          const int n_compared = n_tokens > 1 ? n_tokens - 1 : 1;
          for (int i = 0; i < n_compared; ++i) {
            const int seen = position + i + 1;
            std::vector<float> alone =
                attend_at_once(t, {q.data() + i * stride, nullptr, nullptr, addresses.data(), type, n_heads,
                                   head_dim, window == 0 ? 0 : std::max(0, seen - window), seen, 0.125F});
            alone.insert(alone.end(), size_t(head_dim), 7.0F);  // nothing else is written
            const std::vector<float> of_run(out.begin() + i * stride, out.begin() + (i + 1) * stride);
            EXPECT_EQ(first_difference(alone, of_run), -1) << t.name << " token " << i;
            for (const float v : of_run) EXPECT_TRUE(std::isfinite(v));
          }
          out.resize(size_t(n_compared) * stride);
          return out;
        });
      }
    }
  }
}

// As the model layer does it: one token in turns from several runs of groups.
std::vector<float> product(const KernelTable& table, const PackedMatrix& w, const Activations& x) {
  std::vector<float> y(static_cast<size_t>(x.n_tokens) * w.n_rows);
  const auto [runs, rest] = group_runs(w, x.n_tokens == 1 ? table.streams : 1);
  for (const Groups& groups : {runs, rest}) {
    if (groups.begin == groups.end) continue;
    table.matmul(w, x, y.data() + ptrdiff_t{groups.begin} * kLanes, w.n_rows, groups);
  }
  return y;
}

TEST(Levels, Matmul) {
  Rng rng(8);
  for (const TensorTypeInfo& row : kTensorTypes) {
    for (const Weights kind : {Weights::kPlain, Weights::kExtremeCodes, Weights::kWild}) {
      // One group and more, an odd and an even number; with so few blocks that what is done ahead has none.
      for (const auto& [n_rows, n_cols] :
           {std::pair{16, 32}, {16, 64}, {37, 96}, {53, 32}, {85, 64}, {53, 96}, {85, 256}, {85, 768}}) {
        if (n_cols % static_cast<int>(row.block_values) != 0) continue;
        const std::vector<std::byte> data = random_weights(row.type, int64_t{n_rows} * n_cols, kind, rng);
        const PackedMatrix w = pack_one(row.type, data, n_rows, n_cols);
        for (const int n_tokens : {1, 2, 3, 7, 8, 9, 17, 25, 43, 59, 73, 80}) {
          const size_t n = static_cast<size_t>(n_tokens) * n_cols;
          const std::vector<float> values = kind == Weights::kPlain          ? spiky_floats(n, rng)
                                            : kind == Weights::kExtremeCodes ? extreme_floats(n, rng)
                                                                             : wild_floats(n, rng);
          expect_same(type_name(row.type),
                      [&](const KernelTable& t) { return product(t, w, Batch(t, values, n_cols).all()); });
        }
      }
    }
  }
}

// Levels may multiply wide matrices in other ways than those of short rows.
TEST(Levels, WideMatmul) {
  Rng rng(20);
  const int n_cols = 1280;
  const int n_rows = 37;
  for (const TensorTypeInfo& row : kTensorTypes) {
    const std::vector<std::byte> data =
        random_weights(row.type, int64_t{n_rows} * n_cols, Weights::kPlain, rng);
    const PackedMatrix w = pack_one(row.type, data, n_rows, n_cols);
    for (const int n_tokens : {1, 17, 33}) {
      for (const auto floats : {spiky_floats, extreme_floats}) {
        const std::vector<float> values = floats(size_t(n_tokens) * n_cols, rng);
        expect_same(type_name(row.type),
                    [&](const KernelTable& t) { return product(t, w, Batch(t, values, n_cols).all()); });
      }
    }
  }
}

// The integer dot product of a block of Q6_K may have more bits than a float: it is to be rounded once.
TEST(Levels, SixBitProductsBeyondTheWholeNumbersOfFloats) {
  Rng rng(18);
  const int n_rows = 48;
  const int n_cols = 768;
  const size_t n_blocks = n_rows * n_cols / 256;
  std::vector<std::byte> data(n_blocks * 210);  // codes, from byte 192 on sub-scales, a scale of 1
  for (size_t block = 0; block < data.size(); block += 210) {
    for (size_t i = 0; i < 128; ++i) data[block + i] = static_cast<std::byte>(rng() % 8 == 0);  // -32 or -31
    for (size_t i = 0; i < 16; ++i) data[block + 192 + i] = static_cast<std::byte>(128 - rng() % 5);
    data[block + 209] = std::byte{0x3C};
  }
  const PackedMatrix w = pack_one(TensorType::kQ6_K, data, n_rows, n_cols);
  const std::vector<float> values = extreme_floats(size_t{32} * n_cols, rng);
  int n_long = 0;
  for (int r = 0; r < n_rows; ++r) {
    std::vector<float> weights(n_cols);
    unpack_row(w, r, weights.data());
    for (int k = 0; k < n_cols; k += 32) {  // with the first token, whose integers are 127 times its values
      const double dot = 127 * std::inner_product(&weights[k], &weights[k] + 32, &values[k], 0.0);
      n_long += std::abs(dot) > 0x1p24 && std::fmod(dot, 2) != 0;
    }
  }
  EXPECT_GT(n_long, 100);
  for (const size_t n_tokens : {16, 32}) {
    const std::vector<float> some(values.begin(), values.begin() + n_tokens * n_cols);
    expect_same("Q6_K", [&](const KernelTable& t) { return product(t, w, Batch(t, some, n_cols).all()); });
  }
}

/// `groups` of all tokens at once have the outputs that they have in `whole`.
void expect_some_groups(const KernelTable& table, const PackedMatrix& w, const Activations& x,
                        const Groups& groups, const std::vector<float>& whole) {
  const int first = groups.begin * kLanes;
  const int64_t stride = w.n_rows - first;
  const auto n = static_cast<size_t>(x.n_tokens * stride);
  std::vector<float> some(n + static_cast<size_t>(2 * stride), 777.0F);  // and tokens that are not there
  table.matmul(w, x, some.data(), stride, groups);
  for (size_t i = n; i < some.size(); ++i) ASSERT_EQ(some[i], 777.0F) << table.name;
  for (int run = 0; run < groups.n_runs; ++run) {
    const int begin = (groups.begin + run * groups.stride) * kLanes;
    const int end = std::min((groups.end + run * groups.stride) * kLanes, w.n_rows);
    for (int t = 0; t < x.n_tokens; ++t) {
      for (int r = begin; r < end; ++r) {
        ASSERT_TRUE(same_bits(whole[t * w.n_rows + r], some[t * stride + r - first])) << table.name;
      }
    }
  }
}

TEST(Levels, OneTokenManyTokensAndRangesOfGroupsAgree) {
  Rng rng(9);
  for (const TensorTypeInfo& row : kTensorTypes) {
    const int n_rows = 70;
    const int n_cols = 256;
    const std::vector<std::byte> data =
        random_weights(row.type, int64_t{n_rows} * n_cols, Weights::kPlain, rng);
    const PackedMatrix w = pack_one(row.type, data, n_rows, n_cols);
    for (const KernelTable* table : tested_tables()) {
      for (const int n_tokens : {1, 2, 3, 7, 8, 9, 17, 25, 64, 512}) {
        if (is_slow(*table) && n_tokens > 17) continue;
        const std::vector<float> floats = spiky_floats(size_t(n_tokens) * n_cols, rng);
        Batch x(*table, floats, n_cols);
        const std::vector<float> whole = product(*table, w, x.all());
        const int64_t stride = n_rows + 3;  // columns beyond n_rows must stay untouched
        std::vector<float> parts(static_cast<size_t>(n_tokens * stride), 777.0F);
        for (int t = 0; t < n_tokens; ++t) {
          const auto first = floats.begin() + int64_t{t} * n_cols;
          Batch one(*table, {first, first + n_cols}, n_cols);
          const std::array<Groups, 3> in_a_row{Groups{0, 2}, {2, 3}, {3, 5}};
          const std::array<Groups, 3> in_turns{Groups{0, 1, 4, 1}, {4, 5}, {0, 2, 2, 3}};
          for (const Groups& groups : t % 2 == 0 ? in_a_row : in_turns) {
            table->matmul(w, one.all(), parts.data() + t * stride + ptrdiff_t{groups.begin} * kLanes, stride,
                          groups);
          }
        }
        for (int t = 0; t < n_tokens; ++t) {
          for (int r = 0; r < n_rows; ++r) {
            ASSERT_TRUE(same_bits(whole[t * n_rows + r], parts[t * stride + r]))
                << row.name << " " << table->name;
          }
          for (int r = n_rows; r < stride; ++r) ASSERT_EQ(parts[t * stride + r], 777.0F);
        }
        expect_some_groups(*table, w, x.all(), {2, 5}, whole);
        expect_some_groups(*table, w, x.all(), {1, 2, 2, 3}, whole);
      }
    }
  }
}

}  // namespace
}  // namespace pellucid::kernels::test
