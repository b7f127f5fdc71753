// Properties of the forward pass that hold whatever the weights: causality, sliding windows, independence of
// sequences, and the steps that a tap sees. Numbers are compared with a float64 reference in tests/python.
#include "model/forward.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <numeric>

#include "model/architectures.h"
#include "model/tiny_model.h"

namespace pellucid::model {
namespace {

using test::TinyOptions;

class Runner {
 public:
  explicit Runner(const TinyOptions& options) : bytes_(test::tiny_model(options)) {
    const auto file = gguf::File::parse(bytes_);
    const auto spec = describe(file.value());
    auto loaded = Model::load(file.value(), spec.value(), *kernels::available_tables().front(),
                              kernels::Precision::kNative, pool_);
    EXPECT_TRUE(loaded.ok()) << loaded.error().message();
    model_ = std::move(loaded).value();
  }

  [[nodiscard]] KvCache cache() const { return KvCache(model_.spec, kernels::KvType::kF16); }

  /// The logits of every token of the batch.
  std::vector<float> run(Batch batch, const Tap& tap = {}) {
    batch.wanted.resize(batch.tokens.size());
    std::iota(batch.wanted.begin(), batch.wanted.end(), 0);
    return run_wanted(batch, tap);
  }

  /// The logits that the batch wants.
  std::vector<float> run_wanted(const Batch& batch, const Tap& tap = {}) {
    for (const BatchToken& token : batch.tokens) token.cache->reserve(token.position, token.position + 1);
    Scratch scratch(model_.spec, static_cast<int>(batch.tokens.size()));
    std::vector<float> logits(batch.wanted.size() * static_cast<size_t>(n_vocab()));
    forward(model_, batch, scratch, pool_, logits.data(), tap);
    return logits;
  }

  /// Tokens `ids` of one new sequence, positions from 0.
  std::vector<float> run(const std::vector<int32_t>& ids) {
    KvCache cache = this->cache();
    Batch batch;
    for (const int32_t id : ids) batch.tokens.push_back({id, static_cast<int>(batch.tokens.size()), &cache});
    return run(batch);
  }

  [[nodiscard]] int n_vocab() const { return model_.spec.n_vocab; }
  [[nodiscard]] std::vector<float> row(const std::vector<float>& logits, int i) const {
    const auto begin = logits.begin() + static_cast<ptrdiff_t>(i) * n_vocab();
    return {begin, begin + n_vocab()};
  }

 private:
  test::Bytes bytes_;
  ThreadPool pool_{2};
  Model model_;
};

/// gemma3 has a window of 20 positions.
TinyOptions quantized(const char* architecture, TensorType type) {
  TinyOptions options;
  options.architecture = architecture;
  options.type = type;
  options.window = options.architecture == "gemma3" ? 20 : 0;
  return options;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Forward, ALaterTokenDoesNotChangeAnEarlierOne) {
  Runner runner({});
  const auto first = runner.run(std::vector<int32_t>{5, 6, 7, 8});
  const auto second = runner.run(std::vector<int32_t>{5, 6, 7, 99});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(same_bits(runner.row(first, i), runner.row(second, i))) << i;
  EXPECT_FALSE(same_bits(runner.row(first, 3), runner.row(second, 3)));
}

TEST(Forward, AnEarlierTokenChangesEveryLaterOne) {
  Runner runner({});
  const auto first = runner.run(std::vector<int32_t>{5, 6, 7, 8});
  const auto second = runner.run(std::vector<int32_t>{9, 6, 7, 8});
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(same_bits(runner.row(first, i), runner.row(second, i))) << i;
}

TEST(Forward, ASlidingWindowForgets) {
  TinyOptions options;
  options.n_layers = 1;  // one layer: nothing older than the window reaches a token by way of others
  options.window = 4;
  Runner runner(options);
  const auto first = runner.run(std::vector<int32_t>{5, 6, 7, 8, 9, 10});
  const auto second = runner.run(std::vector<int32_t>{99, 6, 7, 8, 9, 10});
  EXPECT_FALSE(same_bits(runner.row(first, 3), runner.row(second, 3)));  // sees positions 0 .. 3
  EXPECT_TRUE(same_bits(runner.row(first, 4), runner.row(second, 4)));   // sees positions 1 .. 4
}

TEST(Forward, SequencesOfOneBatchDoNotSeeEachOther) {
  Runner runner({});
  KvCache a = runner.cache();
  KvCache b = runner.cache();
  Batch mixed;
  mixed.tokens = {{5, 0, &a}, {40, 0, &b}, {6, 1, &a}, {41, 1, &b}, {7, 2, &a}};
  const auto together = runner.run(mixed);
  const auto alone = runner.run(std::vector<int32_t>{5, 6, 7});
  EXPECT_TRUE(same_bits(runner.row(together, 0), runner.row(alone, 0)));
  EXPECT_TRUE(same_bits(runner.row(together, 2), runner.row(alone, 1)));
  EXPECT_TRUE(same_bits(runner.row(together, 4), runner.row(alone, 2)));
}

/// The last layer runs for wanted tokens alone; all keys and values are stored nevertheless.
TEST(Forward, WhatIsNotWantedChangesNoBit) {
  const Tap tap = [](std::string_view, int, std::span<const float>, int) {};
  for (const char* architecture : {"llama", "gemma3"}) {
    Runner runner(quantized(architecture, TensorType::kQ4_0));
    for (const std::vector<int>& wanted : std::vector<std::vector<int>>{
             {}, {0}, {49}, {0, 49}, {3, 4, 5, 30}, {20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 48}}) {
      for (const Tap& with : {Tap(), tap}) {
        KvCache a = runner.cache();
        KvCache b = runner.cache();
        Batch batch;
        for (int i = 0; i < 40; ++i) batch.tokens.push_back({5 + i, i, &a});
        for (int i = 0; i < 10; ++i) batch.tokens.push_back({45 - i, i, &b});
        batch.wanted = wanted;
        const std::vector<float> some = runner.run_wanted(batch, with);
        const std::vector<float> next = runner.run({{{7, 40, &a}, {8, 10, &b}}, {}});
        KvCache c = runner.cache();
        KvCache d = runner.cache();
        for (size_t i = 0; i < batch.tokens.size(); ++i) batch.tokens[i].cache = i < 40 ? &c : &d;
        const std::vector<float> all = runner.run(batch);
        for (size_t i = 0; i < wanted.size(); ++i) {
          EXPECT_TRUE(same_bits(runner.row(some, static_cast<int>(i)), runner.row(all, wanted[i])))
              << architecture << " " << wanted[i];
        }
        EXPECT_TRUE(same_bits(next, runner.run({{{7, 40, &c}, {8, 10, &d}}, {}}))) << architecture;
      }
    }
  }
}

/// Of a pass that nobody watches each worker makes ready what it reads.
TEST(Forward, ATapChangesNoBit) {
  Runner runner({.type = TensorType::kQ4_0});
  const Tap tap = [](std::string_view, int, std::span<const float>, int) {};
  for (const int n_sequences : {1, 2, 12}) {
    for (const int n_tokens : {1, 3, 20}) {
      const auto run = [&](const Tap& with) {
        std::vector<KvCache> caches(static_cast<size_t>(n_sequences), runner.cache());
        Batch batch;
        for (KvCache& cache : caches) {
          for (int i = 0; i < n_tokens; ++i) {
            const auto id = static_cast<int32_t>(5 + batch.tokens.size() * 7 % 90);
            batch.tokens.push_back({id, i, &cache});
          }
        }
        return runner.run(batch, with);
      };
      EXPECT_TRUE(same_bits(run({}), run(tap))) << n_sequences << " sequences of " << n_tokens;
    }
  }
}

/// Outputs of many rows are put in place another way than those of few.
TEST(Forward, ATapSeesOfManyRowsWhatItSeesOfFew) {
  for (const char* architecture : {"llama", "gemma3"}) {
    Runner runner(quantized(architecture, TensorType::kQ8_0));
    const auto seen = [&](int chunk) {
      std::map<std::string, std::vector<float>> values;
      KvCache cache = runner.cache();
      for (int begin = 0; begin < 40; begin += chunk) {
        Batch batch;
        for (int i = begin; i < begin + chunk; ++i) batch.tokens.push_back({5 + i, i, &cache});
        runner.run(batch, [&](std::string_view name, int layer, std::span<const float> rows, int) {
          std::vector<float>& all = values[std::string(name) + std::to_string(layer)];
          all.insert(all.end(), rows.begin(), rows.end());
        });
      }
      return values;
    };
    const auto few = seen(4);
    const auto many = seen(40);
    ASSERT_EQ(few.size(), many.size());
    for (const auto& [name, values] : few) {
      EXPECT_TRUE(same_bits(values, many.at(name))) << architecture << " " << name;
    }
  }
}

TEST(Forward, TheTapSeesEveryStepInOrder) {
  TinyOptions options;
  options.n_layers = 1;
  Runner runner(options);
  KvCache cache = runner.cache();
  std::vector<std::string> names;
  Batch batch;
  batch.tokens = {{5, 0, &cache}, {6, 1, &cache}};
  runner.run(batch, [&](std::string_view name, int layer, std::span<const float> values, int n_rows) {
    EXPECT_EQ(n_rows, 2);
    EXPECT_EQ(values.size() % 2, 0u);
    names.push_back(std::string(name) + (layer == kNoLayer ? "" : "-" + std::to_string(layer)));
  });
  const std::vector<std::string> expected{
      "inp_embd",  "attn_norm-0", "Qcur-0",    "Kcur-0",  "Vcur-0",      "kqv_out-0",    "attn_out-0",
      "ffn_inp-0", "ffn_norm-0",  "ffn_out-0", "l_out-0", "result_norm", "result_output"};
  EXPECT_EQ(names, expected);
}

TEST(KvCache, GrowsByPagesKeepsThemAndGivesThemBack) {
  ArchSpec spec;
  spec.n_layers = 2;
  spec.attention.n_kv_heads = 3;
  spec.attention.head_dim = 16;
  KvCache cache(spec, kernels::KvType::kF16);
  EXPECT_EQ(cache.bytes(), 0u);
  cache.reserve(0, 1);
  const size_t page = cache.bytes();
  EXPECT_EQ(page, static_cast<size_t>(kernels::kv_page_bytes(kernels::KvType::kF16, 16)) * 6);
  const std::byte* const first = cache.pages(1, 2)[0];
  cache.reserve(1, kernels::kPagePositions);
  EXPECT_EQ(cache.bytes(), page);
  cache.reserve(kernels::kPagePositions, kernels::kPagePositions + 1);
  EXPECT_EQ(cache.bytes(), 2 * page);
  EXPECT_EQ(cache.pages(1, 2)[0], first);
  cache.truncate(kernels::kPagePositions);
  EXPECT_EQ(cache.bytes(), page);
}

TEST(KvCache, ACopySharesPagesUntilOneOfThemWrites) {
  ArchSpec spec;
  spec.n_layers = 1;
  spec.attention.n_kv_heads = 1;
  spec.attention.head_dim = 16;
  KvCache original(spec, kernels::KvType::kF32);
  original.reserve(0, 2 * kernels::kPagePositions);
  original.at(0, 0, 0)[5] = std::byte{1};
  original.at(0, 0, 1)[5] = std::byte{2};
  KvCache copy = original;
  EXPECT_EQ(copy.pages(0, 0)[1], original.pages(0, 0)[1]);
  copy.reserve(kernels::kPagePositions + 7, kernels::kPagePositions + 8);
  EXPECT_EQ(copy.pages(0, 0)[0], original.pages(0, 0)[0]);
  EXPECT_NE(copy.pages(0, 0)[1], original.pages(0, 0)[1]);
  EXPECT_EQ(copy.pages(0, 0)[1][5], std::byte{2});
  copy.at(0, 0, 1)[5] = std::byte{3};
  EXPECT_EQ(original.pages(0, 0)[1][5], std::byte{2});
  KvCache beginning(spec, kernels::KvType::kF32);
  beginning.append(copy.page(0));
  EXPECT_EQ(beginning.pages(0, 0)[0], original.pages(0, 0)[0]);
  EXPECT_EQ(beginning.bytes(), beginning.page(0)->size());
}

}  // namespace
}  // namespace pellucid::model
