// The matrix of the determinism contract: a prompt and some steps at every combination of SIMD level,
// threads, cut of the prompt, strangers in each pass, and a beginning from the prefix cache or not. The raw
// logits of every step have the bits of the simplest way. PELLUCID_BITS=all runs every point, else a sample
// of them is run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <iterator>

#include "generation/model_file.h"
#include "generation/prefix_cache.h"
#include "gguf/models.h"
#include "kernels/table.h"

namespace pellucid::generation {
namespace {

constexpr int kThreads[] = {1, 2, 3, 8};
constexpr int kChunks[] = {1, 7, 64, 512};
constexpr int kStrangers[] = {0, 1, 7, 63};
constexpr int kSteps = 4;
constexpr int kPrompt = 70;  // more than one page of the cache

/// One way to compute the same logits.
struct Point {
  const kernels::KernelTable* table;
  int threads, chunk, strangers;
  bool warm;
};

int n_points() {
  return static_cast<int>(kernels::available_tables().size() * std::size(kThreads) * std::size(kChunks) *
                          std::size(kStrangers) * 2);
}

Point point(int index) {
  const auto next = [&](int n) {
    const int digit = index % n;
    index /= n;
    return static_cast<size_t>(digit);
  };
  Point p{};
  p.warm = next(2) != 0;
  p.strangers = kStrangers[next(std::size(kStrangers))];
  p.chunk = kChunks[next(std::size(kChunks))];
  p.threads = kThreads[next(std::size(kThreads))];
  p.table = kernels::available_tables()[next(static_cast<int>(kernels::available_tables().size()))];
  return p;
}

/// `n` points spread over the matrix, or all of them.
std::vector<Point> sample(int n, int salt) {
  const char* bits = std::getenv("PELLUCID_BITS");
  const bool all = bits != nullptr && std::string_view(bits) == "all";
  std::vector<Point> points;
  constexpr int kStride = 143;  // has no divisor in common with any number of points, so all come up
  for (int i = 0; i < (all ? n_points() : n); ++i) points.push_back(point((salt + i) * kStride % n_points()));
  return points;
}

/// The logits of the last token of the prompt and of each step.
class Subject {
 public:
  Subject(std::string path, kernels::KvType kv_type) : path_(std::move(path)), kv_type_(kv_type) {}

  std::vector<float> logits(const Point& p) {
    auto engine =
        test::load_at(p.table->name, path_,
                      {.n_threads = p.threads, .n_ctx = 128, .prefill_chunk = p.chunk, .kv_type = kv_type_});
    EXPECT_TRUE(engine.ok()) << engine.error().message();
    return engine.ok() ? run(*engine.value(), p) : std::vector<float>{};
  }

 private:
  static std::vector<int32_t> some_ids(int n, int salt) {
    std::vector<int32_t> ids;
    for (int i = 0; i < n; ++i) ids.push_back((i * 97 + salt * 13 + 5) % 250);
    return ids;
  }

  static std::vector<float> run(Engine& engine, const Point& p) {
    const std::vector<int32_t> ids = some_ids(kPrompt + kSteps, 0);
    const auto prompt = std::span(ids).first(kPrompt);
    Sequence sequence = engine.new_sequence();
    PrefixCache cache(size_t{1} << 30);
    if (p.warm) {
      Sequence earlier = engine.new_sequence();
      EXPECT_TRUE(engine.extend(earlier, prompt, Want::kNone, {}).ok());
      cache.remember(earlier);
      EXPECT_EQ(cache.start(sequence, prompt), kernels::kPagePositions);
    }
    std::vector<float> logits;
    const LogitsSink keep = [&](int, std::span<const float> rows, int) -> Result<void> {
      logits.insert(logits.end(), rows.begin(), rows.end());
      return {};
    };
    EXPECT_TRUE(engine.extend(sequence, prompt.subspan(sequence.tokens.size()), Want::kLast, keep).ok());
    std::vector<Sequence> strangers(static_cast<size_t>(p.strangers), engine.new_sequence());
    for (int step = 0; step < kSteps; ++step) {
      const std::vector<int32_t> theirs = some_ids(p.strangers + 2, step + 1);
      std::vector<generation::Run> runs;
      for (size_t s = 0; s < strangers.size(); ++s) {
        runs.push_back({strangers[s], std::span(theirs).subspan(s, 1 + s % 3 / 2), Want::kNone});
      }
      runs.push_back({sequence, std::span(ids).subspan(kPrompt + static_cast<size_t>(step), 1), Want::kLast});
      const auto rows = engine.run(runs);
      EXPECT_TRUE(rows.ok());
      if (rows.ok()) logits.insert(logits.end(), rows.value().begin(), rows.value().end());
    }
    return logits;
  }

  std::string path_;
  kernels::KvType kv_type_;
};

void expect_same_bits(const std::string& path, std::span<const Point> points,
                      kernels::KvType kv_type = kernels::KvType::kF16) {
  Subject subject(path, kv_type);
  const std::vector<float> expected = subject.logits({kernels::available_tables().front(), 1, 512, 0, false});
  ASSERT_FALSE(expected.empty());
  for (const Point& p : points) {
    const std::vector<float> logits = subject.logits(p);
    ASSERT_EQ(logits.size(), expected.size());
    ASSERT_EQ(std::memcmp(logits.data(), expected.data(), expected.size() * sizeof(float)), 0)
        << p.table->name << " threads " << p.threads << " chunk " << p.chunk << " strangers " << p.strangers
        << (p.warm ? " warm" : " cold");
  }
}

class MatrixOfType : public ::testing::TestWithParam<TensorType> {};

TEST_P(MatrixOfType, HasTheSameBitsAtEveryPoint) {
  const test::ModelFile file({.type = GetParam()});
  expect_same_bits(file.path(), sample(16, static_cast<int>(GetParam())));
}

INSTANTIATE_TEST_SUITE_P(Types, MatrixOfType, test::every_type(), test::name_of_type);

class MatrixOfCache : public ::testing::TestWithParam<kernels::KvType> {};

TEST_P(MatrixOfCache, HasTheSameBitsAtEveryPoint) {
  const test::ModelFile file({.type = TensorType::kQ4_1});
  expect_same_bits(file.path(), sample(16, 200 + static_cast<int>(GetParam())), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Elements, MatrixOfCache,
                         ::testing::Values(kernels::KvType::kF32, kernels::KvType::kQ8_0),
                         [](const auto& test) {
                           return std::string(kernels::kKvTypeNames[static_cast<size_t>(test.param)]);
                         });

class MatrixOfModel : public ::testing::TestWithParam<const char*> {};

TEST_P(MatrixOfModel, HasTheSameBitsAtEveryPoint) {
  const auto path = pellucid::test::find_model(GetParam());
  if (!path) GTEST_SKIP() << "the model is not in the cache";
  std::vector<Point> points;
  const bool all = std::getenv("PELLUCID_BITS") != nullptr;
  for (const Point& p : sample(18, 1)) {  // the scalar level takes seconds a point
    if (all || p.table->name != "scalar") points.push_back(p);
  }
  ASSERT_GE(points.size(), 8u);
  expect_same_bits(*path, points);
}

INSTANTIATE_TEST_SUITE_P(Models, MatrixOfModel,
                         ::testing::Values(pellucid::test::kSmolLM2, pellucid::test::kGemma3),
                         [](const auto& test) { return std::string(test.param).substr(0, 5); });

}  // namespace
}  // namespace pellucid::generation
