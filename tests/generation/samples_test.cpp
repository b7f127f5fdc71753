// Samples are the texts that their seeds would give alone, and their log-probabilities are those of the
// model.
#include "generation/samples.h"

#include <gtest/gtest.h>

#include <cmath>

#include "generation/generate.h"
#include "generation/model_file.h"

namespace pellucid::generation {
namespace {

using test::prompt;

GenerateOptions with_seed(uint64_t seed, int max_tokens) {
  GenerateOptions options;
  options.seed = seed;
  options.max_tokens = max_tokens;
  options.settings.temperature = 1.3;
  return options;
}

std::unique_ptr<Engine> engine_at(const test::ModelFile& file, int threads, int chunk) {
  auto engine = Engine::load(file.path(), {.n_threads = threads, .prefill_chunk = chunk});
  EXPECT_TRUE(engine.ok());
  return std::move(engine).value();
}

/// The sum of log-softmax, from a run of the whole text, in the C library's arithmetic.
double log_probability(Engine& engine, std::vector<int32_t> ids, const std::vector<int32_t>& tokens) {
  const size_t first = ids.size();
  ids.insert(ids.end(), tokens.begin(), tokens.end());
  const std::vector<float> logits = test::all_logits(engine, ids);
  const auto n_vocab = static_cast<size_t>(engine.n_vocab());
  long double sum = 0;
  for (size_t i = first; i < ids.size(); ++i) {
    const auto row = std::span(logits).subspan((i - 1) * n_vocab, n_vocab);
    long double total = 0;
    for (const float logit : row) total += std::exp(static_cast<long double>(logit));
    sum += row[static_cast<size_t>(ids[i])] - std::log(total);
  }
  return static_cast<double>(sum);
}

TEST(Samples, AreTheTextsOfTheirSeedsAtAnyThreadsAndBatch) {
  const test::ModelFile file({.type = TensorType::kQ4_0});
  const auto one = engine_at(file, 1, 256);
  const std::vector<int32_t> ids = prompt(70);  // more than a page of the cache
  for (const auto& [threads, chunk] : {std::pair{1, 7}, std::pair{3, 256}}) {
    const auto engine = engine_at(file, threads, chunk);
    const auto samples = generate_samples(*engine, ids, with_seed(40, 9), 70);
    ASSERT_TRUE(samples.ok());
    ASSERT_EQ(samples.value().samples.size(), 70u);
    for (int i = 0; i < 70; ++i) {
      const Sample& sample = samples.value().samples[static_cast<size_t>(i)];
      Sequence sequence = one->new_sequence();
      const auto alone = generate(*one, sequence, ids, with_seed(40 + static_cast<uint64_t>(i), 9));
      ASSERT_TRUE(alone.ok());
      EXPECT_EQ(sample.seed, 40u + static_cast<uint64_t>(i));
      EXPECT_EQ(sample.generation.tokens, alone.value().tokens);
      EXPECT_EQ(sample.generation.text, alone.value().text);
      EXPECT_EQ(sample.generation.finish_reason, alone.value().finish_reason);
    }
  }
}

TEST(Samples, AreTheTextsOfTheirSeedsWithGuidanceAndBannedPhrases) {
  const test::ModelFile file({.type = TensorType::kQ4_0});
  const auto engine = engine_at(file, 2, 32);
  GenerateOptions both = with_seed(3, 30);
  both.settings.guidance_scale = 1.4;
  both.settings.ban_phrases = {"a", "B", "0"};
  for (const size_t n_negative : {0UL, 90UL}) {
    both.negative_prompt.assign(n_negative, 66);
    const auto done = generate_samples(*engine, prompt(70), both, 9);
    ASSERT_TRUE(done.ok());
    for (int i = 0; i < 9; ++i) {
      GenerateOptions own = both;
      own.seed = seed_of_sample(both.seed, i);
      Sequence sequence = engine->new_sequence();
      const Sample& sample = done.value().samples[static_cast<size_t>(i)];
      EXPECT_EQ(sample.generation.tokens, generate(*engine, sequence, prompt(70), own).value().tokens) << i;
      EXPECT_NEAR(sample.logprob, log_probability(*engine, prompt(70), sample.generation.tokens), 1e-9);
    }
  }
}

TEST(Samples, SeedsGoOnFromTheLargestAtZero) {
  EXPECT_EQ(seed_of_sample(UINT64_MAX, 1), 0u);
  EXPECT_EQ(seed_of_sample(7, 0), 7u);
}

TEST(Samples, TheBestHasTheHighestLogProbabilityPerToken) {
  const test::ModelFile file({.type = TensorType::kQ4_0});
  const auto engine = engine_at(file, 2, 256);
  const auto done = generate_samples(*engine, prompt(12), with_seed(1, 12), 8);
  ASSERT_TRUE(done.ok());
  const std::vector<Sample>& samples = done.value().samples;
  for (const Sample& sample : samples) {
    EXPECT_NEAR(sample.logprob, log_probability(*engine, prompt(12), sample.generation.tokens), 1e-9);
  }
  const std::vector<size_t> order = best_first(samples);
  ASSERT_EQ(order.size(), samples.size());
  for (size_t i = 1; i < order.size(); ++i) {
    EXPECT_GE(samples[order[i - 1]].mean_logprob(), samples[order[i]].mean_logprob());
  }
}

TEST(Samples, FailTogetherWithAnErrorOfTheirSettingsOrPrompt) {
  const test::ModelFile file({.type = TensorType::kQ4_0});
  const auto engine = engine_at(file, 1, 256);
  GenerateOptions wrong = with_seed(1, 4);
  wrong.settings.top_p = 7;
  EXPECT_EQ(generate_samples(*engine, prompt(3), wrong, 2).error().code, ErrorCode::kUsage);
  EXPECT_EQ(generate_samples(*engine, {}, with_seed(1, 4), 2).error().code, ErrorCode::kUsage);
  EXPECT_EQ(generate_samples(*engine, prompt(600), with_seed(1, 4), 2).error().code, ErrorCode::kContext);
}

TEST(Samples, EndWhereTheirObserverSaysSoAndOthersGoOn) {
  const test::ModelFile file({.type = TensorType::kQ4_0});
  const auto engine = engine_at(file, 1, 256);
  GenerateOptions endless = with_seed(1, 9);
  endless.stop_at_end_of_turn = false;
  const auto done = generate_samples(*engine, prompt(3), endless, 3, [](int sample, const StepView& step) {
    return sample != 1 || step.index < 2;
  });
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done.value().samples[0].generation.tokens.size(), 9u);
  EXPECT_EQ(done.value().samples[1].generation.tokens.size(), 3u);
  EXPECT_EQ(done.value().samples[1].generation.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(done.value().samples[2].generation.tokens.size(), 9u);
}

}  // namespace
}  // namespace pellucid::generation
