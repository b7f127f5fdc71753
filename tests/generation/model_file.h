// A tiny model in a file of its own, gone at the end of the test.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/tensor_type.h"
#include "generation/engine.h"
#include "generation/generate.h"
#include "model/tiny_model.h"

namespace pellucid::generation::test {

class ModelFile {
 public:
  explicit ModelFile(const model::test::TinyOptions& options) {
    path_ = ::testing::TempDir() + "pellucid-tiny-XXXXXX";
    const int fd = ::mkstemp(path_.data());
    const gguf::test::Bytes bytes = model::test::tiny_model(options);
    ok_ = fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    ::close(fd);
  }
  ~ModelFile() { std::remove(path_.c_str()); }
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  std::string path_;
  bool ok_ = false;
};

/// Loads at one SIMD level. Sets PELLUCID_SIMD meanwhile: not beside other threads.
inline Result<std::unique_ptr<Engine>> load_at(std::string_view level, const std::string& path,
                                               const EngineOptions& options) {
  ::setenv("PELLUCID_SIMD", std::string(level).c_str(), 1);
  auto engine = Engine::load(path, options);
  ::unsetenv("PELLUCID_SIMD");
  return engine;
}

/// The values of a test of every tensor type, and their names.
inline auto every_type() {
  std::vector<TensorType> types;
  for (const TensorTypeInfo& row : kTensorTypes) types.push_back(row.type);
  return ::testing::ValuesIn(types);
}
inline std::string name_of_type(const ::testing::TestParamInfo<TensorType>& test) {
  return std::string(info(test.param).name);
}

/// The logits of every position of `ids`, run in the given cuts of a fresh sequence.
inline std::vector<float> all_logits(Engine& engine, std::span<const int32_t> ids) {
  std::vector<float> logits;
  Sequence sequence = engine.new_sequence();
  const auto sink = [&](int, std::span<const float> rows, int) -> Result<void> {
    logits.insert(logits.end(), rows.begin(), rows.end());
    return {};
  };
  const Result<void> status = engine.extend(sequence, ids, Want::kAll, sink);
  return status.ok() ? logits : std::vector<float>{};
}

/// n ids of a tiny model, all different up to 250.
inline std::vector<int32_t> prompt(int n, int salt = 1) {
  std::vector<int32_t> ids;
  for (int i = 0; i < n; ++i) ids.push_back((i * 37 + salt * 11) % 250);
  return ids;
}

/// Tests of texts that go on from one prompt on one tiny model.
class TextTest : public ::testing::Test {
 protected:
  TextTest() : file_({}) {
    auto loaded = Engine::load(file_.path(), EngineOptions{.n_threads = 2});
    EXPECT_TRUE(loaded.ok()) << loaded.error().message();
    engine_ = std::move(loaded).value();
  }

  Result<Generation> run(const GenerateOptions& options, const StepObserver& observer = {}) {
    Sequence sequence = engine_->new_sequence();
    return generate(*engine_, sequence, prompt_, options, observer);
  }

  ModelFile file_;
  std::unique_ptr<Engine> engine_;
  std::vector<int32_t> prompt_{72, 101, 108, 108, 111};
};

}  // namespace pellucid::generation::test
