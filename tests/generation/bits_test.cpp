// The determinism contract on whole models: the raw logits of every position have the same bits whatever the
// number of threads, the cut of the prompt, the SIMD level and the neighbours in the batch.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "generation/model_file.h"
#include "kernels/table.h"

namespace pellucid::generation {
namespace {

using model::test::TinyOptions;

std::vector<int32_t> some_ids(int n, int n_vocab) {
  std::vector<int32_t> ids;
  for (int i = 0; i < n; ++i) ids.push_back((i * 97 + 13) % n_vocab);
  return ids;
}

std::vector<float> logits_with(const std::string& path, std::string_view simd, EngineOptions options,
                               std::span<const int32_t> ids) {
  auto engine = test::load_at(simd, path, options);
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
    for (const int chunk : {1, 7, 12, 16, 64, 512}) all.push_back({threads, chunk});
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
      const std::vector<float> logits =
          logits_with(file.path(), table->name, {.n_threads = threads, .prefill_chunk = chunk}, ids);
      ASSERT_EQ(logits.size(), expected.size());
      ASSERT_EQ(std::memcmp(logits.data(), expected.data(), expected.size() * sizeof(float)), 0)
          << tiny.architecture << " " << info(tiny.type).name << " " << table->name << " threads " << threads
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

INSTANTIATE_TEST_SUITE_P(Types, BitsOfType, test::every_type(), test::name_of_type);

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

// Tiles of more outputs than a worker makes at once, in matrices of which only some read integers.
TEST(BitsOfWidth, AreTheSameEverywhere) {
  using enum TensorType;
  for (const auto& [type, down] : {std::pair{kQ8_0, kQ8_0}, {kQ4_0, kF16}, {kF16, kQ4_1}}) {
    TinyOptions tiny;
    tiny.type = type;
    tiny.down_type = down;
    tiny.n_layers = 1;
    tiny.n_ff = 2720;
    expect_same_bits_everywhere(tiny);
  }
}

TEST(BitsOfDepth, OneTokenOverManySpansHasTheBitsItHasInAPrompt) {
  const test::ModelFile file({.n_ctx = 600});
  const std::vector<int32_t> ids = some_ids(600, 256);  // three spans of attention
  const std::vector<float> expected =
      logits_with(file.path(), "avx2", {.n_threads = 1, .prefill_chunk = 512}, ids);
  ASSERT_EQ(expected.size(), ids.size() * 264);
  for (const auto& [threads, chunk] : {Cut{1, 1}, Cut{3, 1}, Cut{3, 2}, Cut{8, 7}, Cut{2, 512}}) {
    const std::vector<float> logits = logits_with(file.path(), kernels::available_tables().front()->name,
                                                  {.n_threads = threads, .prefill_chunk = chunk}, ids);
    ASSERT_EQ(logits.size(), expected.size());
    ASSERT_EQ(std::memcmp(logits.data(), expected.data(), expected.size() * sizeof(float)), 0)
        << "threads " << threads << " chunk " << chunk;
  }
}

class BitsOfBatch : public ::testing::Test {
 protected:
  BitsOfBatch() : file_({.type = TensorType::kQ4_1}) {
    auto engine = Engine::load(file_.path(), {.n_threads = 2});
    EXPECT_TRUE(engine.ok());
    engine_ = std::move(engine).value();
  }

  /// Runs `ids`, of which logits are expected from position `from` on, one by one beside strangers, which run
  /// 1 to `longest` tokens each.
  void expect_alone(Sequence ours, std::span<const int32_t> ids, size_t from, std::span<const float> expected,
                    int n_strangers, int longest = 3) {
    std::vector<Sequence> strangers(static_cast<size_t>(n_strangers), engine_->new_sequence());
    const auto n_vocab = static_cast<size_t>(engine_->n_vocab());
    for (size_t i = from; i < ids.size(); ++i) {
      std::vector<std::vector<int32_t>> tokens;
      for (int s = 0; s < n_strangers; ++s) {
        tokens.push_back(some_ids(1 + s % longest, 199));
        tokens.back()[0] = static_cast<int32_t>((i * 31 + static_cast<size_t>(s)) % 256);
      }
      std::vector<generation::Run> runs;
      for (int s = 0; s < n_strangers; ++s) {
        runs.push_back({strangers[static_cast<size_t>(s)], tokens[static_cast<size_t>(s)], Want::kNone});
      }
      runs.push_back({ours, ids.subspan(i, 1), Want::kLast});
      const auto logits = engine_->run(runs);
      ASSERT_TRUE(logits.ok()) << logits.error().message();
      ASSERT_EQ(logits.value().size(), n_vocab);
      ASSERT_EQ(std::memcmp(logits.value().data(), expected.data() + i * n_vocab, n_vocab * sizeof(float)), 0)
          << n_strangers << " strangers, position " << i;
    }
  }

  test::ModelFile file_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(BitsOfBatch, ASequenceAmongStrangersHasTheBitsItHasAlone) {
  const std::vector<int32_t> ids = some_ids(12, 256);
  const std::vector<float> alone = test::all_logits(*engine_, ids);
  for (const int strangers : {0, 1, 2, 9, 15, 63}) {
    expect_alone(engine_->new_sequence(), ids, 0, alone, strangers);
    expect_alone(engine_->new_sequence(), ids, 0, alone, strangers, 1);
  }
}

TEST_F(BitsOfBatch, ABranchHasTheBitsOfASequenceOfItsOwn) {
  std::vector<int32_t> ids = some_ids(80, 256);
  Sequence original = engine_->new_sequence();
  ASSERT_TRUE(engine_->extend(original, ids, Want::kLast, {}).ok());
  Sequence branch = original;
  branch.truncate(70);  // within a page that both hold
  for (size_t i = 70; i < ids.size(); ++i) ids[i] = (ids[i] + 5) % 256;
  expect_alone(branch, ids, 70, test::all_logits(*engine_, ids), 3);
  const std::vector<int32_t> more = some_ids(3, 256);
  const std::vector<int32_t> first = some_ids(80, 256);
  std::vector<int32_t> whole = first;
  whole.insert(whole.end(), more.begin(), more.end());
  expect_alone(original, whole, 80, test::all_logits(*engine_, whole), 0);
}

}  // namespace
}  // namespace pellucid::generation
