// Drafts change no token, no draw and no logit; they are found where the text repeats, and given up where
// not.
#include "generation/prompt_lookup.h"

#include <gtest/gtest.h>

#include <cstring>

#include "generation/generate.h"
#include "generation/model_file.h"

namespace pellucid::generation {
namespace {

std::vector<int32_t> drafts(PromptLookup& lookup, const std::vector<int32_t>& text, int limit = 100) {
  std::vector<int32_t> tokens{text.back()};
  lookup.propose(std::span(text).first(text.size() - 1), limit, tokens);
  return {tokens.begin() + 1, tokens.end()};
}

TEST(PromptLookup, ProposesWhatFollowedTheLatestOccurrence) {
  const std::vector<int32_t> text{1, 2, 3, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3};
  PromptLookup lookup;
  EXPECT_EQ(drafts(lookup, text), (std::vector<int32_t>{4, 5, 6}));
  EXPECT_EQ(drafts(lookup, text, 2), (std::vector<int32_t>{4, 5}));
  EXPECT_TRUE(drafts(lookup, text, 0).empty());
  EXPECT_TRUE(drafts(lookup, text, -1).empty());
  EXPECT_TRUE(drafts(lookup, {1, 2, 3, 4, 5, 6}).empty());
  EXPECT_TRUE(drafts(lookup, {1, 2}).empty());
  EXPECT_EQ(drafts(lookup, {7, 7, 7, 7}), (std::vector<int32_t>{7}));
}

TEST(PromptLookup, DraftsGrowWhileTheyComeTrueAndPauseLongerAndLongerWhileNot) {
  std::vector<int32_t> text;
  for (int i = 0; i < 200; ++i) text.push_back(i % 40);
  PromptLookup lookup;
  EXPECT_EQ(drafts(lookup, text).size(), 3u);
  lookup.learn(3, 3);
  EXPECT_EQ(drafts(lookup, text).size(), 7u);
  lookup.learn(7, 7);
  EXPECT_EQ(drafts(lookup, text).size(), 15u);
  lookup.learn(15, 8);
  EXPECT_EQ(drafts(lookup, text).size(), 7u);
  lookup.learn(7, 1);
  EXPECT_EQ(drafts(lookup, text).size(), 3u);
  int drafted = 0;
  for (int step = 0; step < 1000; ++step) {
    const size_t n = drafts(lookup, text).size();
    drafted += n != 0 ? 1 : 0;
    lookup.learn(static_cast<int>(n), 0);
  }
  EXPECT_LE(drafted, 20);
  EXPECT_GE(drafted, 10);
}

TEST(PromptLookup, ChangesNoTokenNoDrawAndNoLogit) {
  const test::ModelFile file({.type = TensorType::kQ4_1});
  auto engine = Engine::load(file.path(), {.n_threads = 2});
  ASSERT_TRUE(engine.ok());
  std::vector<int32_t> prompt;
  for (int i = 0; i < 60; ++i) prompt.push_back(i % 12 + 40);
  for (const float temperature : {0.0F, 0.4F, 1.0F, 3.0F}) {
    for (const int max_tokens : {1, 2, 150, 452}) {
      std::vector<float> logits[2];
      std::vector<double> draws[2];
      Generation results[2];
      size_t passes[2] = {};
      for (const bool speculate : {false, true}) {
        GenerateOptions options;
        options.seed = 5;
        options.max_tokens = max_tokens;
        options.settings.temperature = temperature;
        options.stop_at_end_of_turn = false;
        options.speculate = speculate;
        Sequence sequence = engine.value()->new_sequence();
        const float* last = nullptr;
        auto result = generate(*engine.value(), sequence, prompt, options, [&](const StepView& step) {
          logits[speculate].insert(logits[speculate].end(), step.logits.begin(), step.logits.end());
          draws[speculate].push_back(step.draw().u);
          passes[speculate] += step.logits.data() <= last ? 1 : 0;
          last = step.logits.data();
          return true;
        });
        ASSERT_TRUE(result.ok());
        EXPECT_EQ(sequence.tokens.size(), prompt.size() + result.value().tokens.size() - 1);
        results[speculate] = std::move(result).value();
      }
      EXPECT_EQ(results[0].tokens, results[1].tokens);
      EXPECT_EQ(results[0].text, results[1].text);
      EXPECT_EQ(draws[0], draws[1]);
      ASSERT_EQ(logits[0].size(), logits[1].size());
      EXPECT_EQ(std::memcmp(logits[0].data(), logits[1].data(), logits[0].size() * sizeof(float)), 0);
      if (temperature == 0 && max_tokens == 452) {  // greedy text of a random model runs in circles
        EXPECT_LT(passes[1] * 3, passes[0] * 2);
      }
    }
  }
}

}  // namespace
}  // namespace pellucid::generation
