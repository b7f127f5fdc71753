// The chain against what transformers and llama.cpp keep and how likely they find it: the golden files of
// tests/golden/samplers, which scripts/golden_samplers.py and scripts/golden_llama_samplers.py make. With
// PELLUCID_GOLDEN_SAMPLERS=FOLDER those of another folder, e.g. of more cases.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sampling/chain.h"
#include "sampling/golden_case.h"
#include "sampling/support.h"
#include "sampling/watermark.h"

namespace pellucid::sampling {
namespace {

namespace fs = std::filesystem;

struct GoldenRecord {
  uint32_t hash;  // 0: left to rounding
  float first;
  float second;
};

struct GoldenFile {
  std::vector<std::string> lines;
  std::vector<GoldenRecord> records;
  [[nodiscard]] size_t per_line() const { return records.size() / lines.size(); }
};

GoldenFile read_golden(const std::string& name) {
  const char* elsewhere = std::getenv("PELLUCID_GOLDEN_SAMPLERS");
  const fs::path folder = elsewhere != nullptr ? elsewhere : PELLUCID_TEST_DATA "/golden/samplers";
  GoldenFile golden;
  std::ifstream text(folder / (name + ".txt"));
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with('#')) golden.lines.push_back(line);
  }
  std::ostringstream bytes;
  bytes << std::ifstream(folder / (name + ".bin"), std::ios::binary).rdbuf();
  golden.records.resize(bytes.str().size() / sizeof(GoldenRecord));
  std::memcpy(golden.records.data(), bytes.str().data(), golden.records.size() * sizeof(GoldenRecord));
  return golden;
}

Settings settings_of(const std::string& line) {
  Settings settings = test::all_off();
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    const auto done = set(settings, word.substr(0, equals), word.substr(equals + 1));
    EXPECT_TRUE(done.ok()) << done.error().message();
  }
  return settings;
}

Context context_of(const GoldenCase& step) {
  Context context;
  context.tokens = step.tokens;
  context.prompt_length = step.prompt_length;
  context.end_ids = {&step.end_id, 1};
  return context;
}

void expect_record(const Candidates& left, size_t vocabulary, const GoldenRecord& golden, double tolerance) {
  ASSERT_EQ(set_hash({left.ids().begin(), left.ids().end()}), golden.hash) << left.size() << " are left";
  std::vector<double> probabilities(vocabulary, 0.0);
  for (size_t rank = 0; rank < left.size(); ++rank) {
    probabilities[static_cast<size_t>(left.ids()[rank])] = left.probability(rank);
  }
  const auto [first, second] = projections(probabilities);
  ASSERT_NEAR(first, golden.first, tolerance);
  ASSERT_NEAR(second, golden.second, tolerance);
}

void expect_golden(const std::string& name, uint64_t min_tokens, double tolerance) {
  const GoldenFile golden = read_golden(name);
  ASSERT_GE(golden.lines.size(), 50U);
  size_t compared = 0;
  Settings settings;
  std::vector<int32_t> table;  // of the watermark: making it takes longer than all the rest
  for (size_t i = 0; i < golden.records.size(); ++i) {
    const std::string& line = golden.lines[i / golden.per_line()];
    SCOPED_TRACE(name + " case " + std::to_string(i) + ": " + line);
    if (i % golden.per_line() == 0) {
      settings = settings_of(line);
      if (settings.watermark_scheme == WatermarkScheme::kSelfHash)
        table = watermark_table(settings.watermark_key);
    }
    if (golden.records[i].hash == 0) continue;
    const GoldenCase step(i, min_tokens);
    Context context = context_of(step);
    context.watermark_table = table;
    const auto chain = run_chain(step.logits, settings, context);
    ASSERT_TRUE(chain.ok()) << chain.error().message();
    expect_record(chain.value().candidates, step.logits.size(), golden.records[i], tolerance);
    if (testing::Test::HasFatalFailure()) return;
    ++compared;
  }
  EXPECT_GE(compared, golden.records.size() * 9 / 10);
}

TEST(Golden, KeepsWhatTransformersKeeps) { expect_golden("hf", 3, 1e-6); }

TEST(Golden, PrefersTheGreenTokensOfTransformers) { expect_golden("watermark", 40, 1e-6); }

// llama.cpp's logits are float32 at every stage.
TEST(Golden, KeepsWhatLlamaCppKeeps) { expect_golden("llama", 1, 3e-6); }

}  // namespace
}  // namespace pellucid::sampling
