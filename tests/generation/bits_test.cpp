// The determinism contract on whole models: the raw logits of every position have the same bits whatever the
// number of threads, the cut of the prompt, the SIMD level and the neighbours in the batch.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "generation/model_file.h"
#include "kernels/table.h"
#include "model/forward.h"

namespace pellucid::generation {
namespace {

using model::test::TinyOptions;

std::vector<int32_t> some_ids(int n, int n_vocab) {
  std::vector<int32_t> ids;
  for (int i = 0; i < n; ++i) ids.push_back((i * 97 + 13) % n_vocab);
  return ids;
}

std::vector<float> logits_with(const std::string& path, const char* simd, EngineOptions options,
                               std::span<const int32_t> ids) {
  ::setenv("PELLUCID_SIMD", simd, 1);
  auto engine = Engine::load(path, options);
  ::unsetenv("PELLUCID_SIMD");
  EXPECT_TRUE(engine.ok()) << engine.error().message();
  return test::all_logits(*engine.value(), ids);
}

struct Cut {
  int threads;
  int chunk;
};

#ifdef __SANITIZE_THREAD__
constexpr bool kSlowBuild = true;
#else
constexpr bool kSlowBuild = false;
#endif

/// Numbers of threads and sizes of a prompt's chunks; a few of them for the slow level and the slow build.
std::vector<Cut> cuts(bool slow_level) {
  if (slow_level || kSlowBuild) return {{2, 7}, {3, 512}};
  std::vector<Cut> all;
  for (const int threads : {1, 2, 3, 8}) {
    for (const int chunk : {1, 7, 64, 512}) all.push_back({threads, chunk});
  }
  return all;
}

void expect_same_bits_everywhere(const TinyOptions& tiny) {
  const test::ModelFile file(tiny);
  ASSERT_TRUE(file.ok());
  const std::vector<int32_t> ids = some_ids(70, 256);  // more than one page of the cache
  const std::vector<float> expected =
      logits_with(file.path(), "scalar", {.n_threads = 1, .prefill_chunk = 1}, ids);
  ASSERT_EQ(expected.size(), ids.size() * tiny.n_vocab);
  for (const float logit : expected) ASSERT_TRUE(std::isfinite(logit));
  for (const kernels::KernelTable* table : kernels::available_tables()) {
    for (const auto& [threads, chunk] : cuts(table->name == "scalar")) {
      const std::string name(table->name);
      const std::vector<float> logits =
          logits_with(file.path(), name.c_str(), {.n_threads = threads, .prefill_chunk = chunk}, ids);
      ASSERT_EQ(logits.size(), expected.size());
      ASSERT_EQ(std::memcmp(logits.data(), expected.data(), expected.size() * sizeof(float)), 0)
          << tiny.architecture << " " << info(tiny.type).name << " " << name << " threads " << threads
          << " chunk " << chunk;
    }
  }
}

class BitsOfType : public ::testing::TestWithParam<TensorType> {};

TEST_P(BitsOfType, AreTheSameEverywhere) {
  TinyOptions tiny;
  tiny.type = GetParam();
  expect_same_bits_everywhere(tiny);
}

INSTANTIATE_TEST_SUITE_P(Types, BitsOfType,
                         ::testing::Values(TensorType::kF32, TensorType::kF16, TensorType::kBF16,
                                           TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0,
                                           TensorType::kQ5_1, TensorType::kQ8_0, TensorType::kQ2_K,
                                           TensorType::kQ3_K, TensorType::kQ4_K, TensorType::kQ5_K,
                                           TensorType::kQ6_K, TensorType::kIQ4_NL),
                         [](const auto& test) { return std::string(pellucid::info(test.param).name); });

class BitsOfArchitecture : public ::testing::TestWithParam<const char*> {};

TEST_P(BitsOfArchitecture, AreTheSameEverywhere) {
  TinyOptions tiny;
  tiny.architecture = GetParam();
  tiny.type = TensorType::kQ8_0;
  tiny.window = tiny.architecture == "gemma3" ? 20 : 0;
  if (tiny.architecture == "gpt2") tiny.n_kv_heads = tiny.n_heads;
  expect_same_bits_everywhere(tiny);
}

INSTANTIATE_TEST_SUITE_P(Architectures, BitsOfArchitecture,
                         ::testing::Values("llama", "qwen2", "qwen3", "gemma3", "gpt2"),
                         [](const auto& test) { return std::string(test.param); });

TEST(BitsOfBatch, ASequenceAmongStrangersHasTheBitsItHasAlone) {
  TinyOptions tiny;
  tiny.type = TensorType::kQ4_1;
  const test::ModelFile file(tiny);
  auto engine = Engine::load(file.path(), {.n_threads = 2});
  ASSERT_TRUE(engine.ok());
  const model::Model& model = engine.value()->model();
  const std::vector<int32_t> ids = some_ids(12, 256);
  const std::vector<float> alone = test::all_logits(*engine.value(), ids);
  ThreadPool pool(2);
  const auto n_vocab = static_cast<size_t>(model.spec.n_vocab);
  for (const int strangers : {1, 2, 15, 63}) {
    std::vector<Sequence> sequences;
    for (int s = 0; s <= strangers; ++s) sequences.push_back(engine.value()->new_sequence());
    model::Scratch scratch(model.spec, strangers + 1, pool.size());
    std::vector<float> logits(n_vocab * static_cast<size_t>(strangers + 1));
    for (size_t i = 0; i < ids.size(); ++i) {
      model::Batch batch;
      for (int s = 0; s <= strangers; ++s) {  // ours is the last one
        model::KvCache& cache = sequences[static_cast<size_t>(s)].cache;
        cache.reserve(static_cast<int>(i) + 1);
        const int32_t id = s == strangers ? ids[i] : (ids[i] + 31 * s + 1) % 256;
        batch.tokens.push_back({id, static_cast<int>(i), &cache});
        batch.wanted.push_back(s);
      }
      model::forward(model, batch, scratch, pool, logits.data());
      ASSERT_EQ(std::memcmp(logits.data() + static_cast<size_t>(strangers) * n_vocab,
                            alone.data() + i * n_vocab, n_vocab * sizeof(float)),
                0)
          << strangers << " strangers, position " << i;
    }
  }
}

}  // namespace
}  // namespace pellucid::generation
