#include "generation/generate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "generation/model_file.h"
#include "generation/perplexity.h"

namespace pellucid::generation {
namespace {

GenerateOptions with(uint64_t seed, int max_tokens) {
  GenerateOptions options;
  options.seed = seed;
  options.max_tokens = max_tokens;
  return options;
}

GenerateOptions endless(int max_tokens) {
  GenerateOptions options = with(3, max_tokens);
  options.stop_at_end_of_turn = false;
  return options;
}

class Generate : public test::TextTest {};

TEST_F(Generate, TheSameSeedGivesTheSameTokensAndAnotherSeedOthers) {
  GenerateOptions options = with(7, 40);
  const auto first = run(options);
  const auto second = run(options);
  options.seed = 8;
  const auto other = run(options);
  ASSERT_TRUE(first.ok() && second.ok() && other.ok());
  EXPECT_EQ(first.value().tokens, second.value().tokens);
  EXPECT_EQ(first.value().text, second.value().text);
  EXPECT_NE(first.value().tokens, other.value().tokens);
}

TEST_F(Generate, GreedyTakesTheLargestLogitAndNeedsNoSeed) {
  GenerateOptions options = with(1, 10);
  options.settings.temperature = 0;
  std::vector<int32_t> largest;
  const auto done = run(options, [&](const StepView& step) {
    largest.push_back(
        static_cast<int32_t>(std::max_element(step.logits.begin(), step.logits.end()) - step.logits.begin()));
    return true;
  });
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done.value().tokens, largest);
  options.seed = 2;
  EXPECT_EQ(run(options).value().tokens, largest);
}

TEST_F(Generate, StreamedTextIsTheText) {
  std::string streamed;
  GenerateOptions options = with(3, 50);
  options.stop = {"e", "  "};
  const auto done = run(options, [&](const StepView& step) {
    streamed += step.text;
    return true;
  });
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(streamed, done.value().text);
  EXPECT_EQ(streamed.find('e'), std::string::npos);
}

TEST_F(Generate, EndsAtTheMaximumAtAFullContextAndWhenTheObserverSaysSo) {
  const auto some = run(endless(5));
  ASSERT_TRUE(some.ok());
  EXPECT_EQ(some.value().tokens.size(), 5u);
  EXPECT_EQ(some.value().finish_reason, FinishReason::kLength);

  auto small = Engine::load(file_.path(), EngineOptions{.n_threads = 1, .n_ctx = 8});
  ASSERT_TRUE(small.ok());
  Sequence sequence = small.value()->new_sequence();
  const auto full = generate(*small.value(), sequence, prompt_, endless(256));
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full.value().tokens.size(), 4u);  // 5 of the prompt, 3 that were run, 1 that was only drawn
  EXPECT_EQ(full.value().finish_reason, FinishReason::kLength);

  const auto cancelled = run(with(3, 256), [](const StepView& step) { return step.index < 2; });
  ASSERT_TRUE(cancelled.ok());
  EXPECT_EQ(cancelled.value().tokens.size(), 3u);
  EXPECT_EQ(cancelled.value().finish_reason, FinishReason::kCancelled);
}

TEST_F(Generate, RefusesWhatDoesNotFitWithBothNumbers) {
  auto small = Engine::load(file_.path(), EngineOptions{.n_threads = 1, .n_ctx = 4});
  ASSERT_TRUE(small.ok());
  Sequence sequence = small.value()->new_sequence();
  const auto refused = generate(*small.value(), sequence, prompt_, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kContext);
  EXPECT_EQ(refused.error().message(),
            "the tokens do not fit the context: 5 tokens, and the context holds 4");
}

TEST_F(Generate, RefusesEmptyPromptsIdsOutOfRangeAndBadSettings) {
  prompt_ = {};
  EXPECT_EQ(run({}).error().code, ErrorCode::kUsage);
  prompt_ = {-1};
  EXPECT_EQ(run({}).error().code, ErrorCode::kUsage);
  prompt_ = {engine_->n_vocab()};
  EXPECT_EQ(run({}).error().code, ErrorCode::kUsage);
  prompt_ = {1};
  GenerateOptions options;
  options.settings.top_p = std::nan("");
  EXPECT_EQ(run(options).error().code, ErrorCode::kUsage);
  options = {};
  options.stop = {"e", ""};
  EXPECT_EQ(run(options).error().message(),
            "invalid stop string: it is empty, and every text holds the empty one");
}

TEST_F(Generate, APrefixKeptIsAPrefixRunAgain) {
  Sequence sequence = engine_->new_sequence();
  const GenerateOptions options = with(11, 20);
  const auto whole = generate(*engine_, sequence, prompt_, options);
  ASSERT_TRUE(whole.ok());
  sequence.truncate(3);
  const auto again = generate(*engine_, sequence, std::span(prompt_).subspan(3), options);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again.value().tokens, whole.value().tokens);
}

TEST_F(Generate, ACancelledPromptLeavesWhatWasRunAndCanBeGoneOnWith) {
  auto loaded = Engine::load(file_.path(), EngineOptions{.n_threads = 1, .prefill_chunk = 2});
  ASSERT_TRUE(loaded.ok());
  Engine& engine = *loaded.value();
  const auto whole = run(endless(12));
  ASSERT_TRUE(whole.ok());

  Sequence sequence = engine.new_sequence();
  GenerateOptions options = endless(12);
  int asked = 0;
  options.cancelled = [&asked] { return ++asked > 2; };
  bool stepped = false;
  const auto cut =
      generate(engine, sequence, prompt_, options, [&](const StepView&) { return stepped = true; });
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(cut.value().finish_reason, FinishReason::kCancelled);
  EXPECT_TRUE(cut.value().tokens.empty() && cut.value().text.empty() && !stepped);
  EXPECT_EQ(cut.value().timings.prefill_tokens, 4);
  EXPECT_EQ(sequence.tokens, (std::vector<int32_t>{prompt_.begin(), prompt_.begin() + 4}));

  const auto rest = generate(engine, sequence, std::span(prompt_).subspan(4), endless(12));
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ(rest.value().tokens, whole.value().tokens);
}

TEST_F(Generate, PerplexityIsTheMeanOfTheLogits) {
  std::vector<int32_t> ids;
  for (int i = 0; i < 40; ++i) ids.push_back((i * 37 + 5) % 256);
  const auto done = perplexity(*engine_, ids, 16);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done.value().n_windows, 2);
  EXPECT_EQ(done.value().n_scored, 2 * 7);  // tokens 9 .. 15 of each window, given the ones before
  double nll = 0;
  for (const size_t begin : {size_t{0}, size_t{16}}) {
    const std::span<const int32_t> window = std::span(ids).subspan(begin, 16);
    const std::vector<float> logits = test::all_logits(*engine_, window);
    for (size_t i = 8; i < 15; ++i) {
      const float* row = logits.data() + i * static_cast<size_t>(engine_->n_vocab());
      long double sum = 0;
      for (int v = 0; v < engine_->n_vocab(); ++v) sum += std::exp(static_cast<long double>(row[v]));
      nll -= static_cast<double>(row[window[i + 1]] - std::log(sum));
    }
  }
  EXPECT_NEAR(done.value().mean_nll, nll / 14, 1e-9);
}

TEST_F(Generate, ACancelledPerplexityEndsWithWhatHadBeenScored) {
  const std::vector<int32_t> ids(64, 72);
  int asked = 0;
  const auto done = perplexity(*engine_, ids, 16, {}, [&asked] { return ++asked > 2; });
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done.value().n_windows, 2);
  EXPECT_EQ(done.value().n_scored, 2 * 7);
  EXPECT_EQ(done.value().perplexity, perplexity(*engine_, std::span(ids).first(32), 16).value().perplexity);
  EXPECT_EQ(perplexity(*engine_, std::span(ids).first(15), 16).error().code, ErrorCode::kContext);
}

}  // namespace
}  // namespace pellucid::generation
