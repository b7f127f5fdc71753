// Beam search with a model: the same texts whatever runs them, greedy's where there is one beam, and an end
// where the caller, the context or a stop string says so.
#include "generation/beams.h"

#include <gtest/gtest.h>

#include <cmath>

#include "generation/generate.h"
#include "generation/logprobs.h"
#include "generation/model_file.h"

namespace pellucid::generation {
namespace {

using test::prompt;

constexpr std::array kLevels{"scalar", "avx2", "avxvnni", "avx512", "amx"};

GenerateOptions up_to(int max_tokens) {
  GenerateOptions options;
  options.max_tokens = max_tokens;
  options.stop_at_end_of_turn = false;
  return options;
}

class Beams : public ::testing::Test {
 protected:
  Beams() : file_({.type = TensorType::kQ4_0}) { engine_ = engine({.n_threads = 2}); }

  std::unique_ptr<Engine> engine(const EngineOptions& options) {
    auto loaded = Engine::load(file_.path(), options);
    EXPECT_TRUE(loaded.ok());
    return std::move(loaded).value();
  }

  /// The sum of the log-probabilities of a text, from a run of all of it.
  double log_probability(std::vector<int32_t> ids, const std::vector<int32_t>& tokens) {
    const size_t first = ids.size();
    ids.insert(ids.end(), tokens.begin(), tokens.end());
    const std::vector<float> logits = test::all_logits(*engine_, ids);
    const auto n_vocab = static_cast<size_t>(engine_->n_vocab());
    double sum = 0;
    for (size_t i = first; i < ids.size(); ++i)
      sum += raw_logprob(std::span(logits).subspan((i - 1) * n_vocab, n_vocab), ids[i]);
    return sum;
  }

  test::ModelFile file_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(Beams, AreTheSameAtAnyThreadsLevelAndCut) {
  const std::vector<int32_t> ids = prompt(70);  // more than a page of the cache
  const auto expected = generate_beams(*engine_, ids, up_to(12), {.beams = 5});
  ASSERT_TRUE(expected.ok()) << expected.error().message();
  ASSERT_EQ(expected.value().texts.size(), 5u);
  for (const char* level : kLevels) {
    for (const int threads : {1, 2, 3}) {
      auto other = test::load_at(level, file_.path(), {.n_threads = threads, .prefill_chunk = 5 * threads});
      if (!other.ok()) continue;  // this processor lacks the level
      const auto done = generate_beams(*other.value(), ids, up_to(12), {.beams = 5});
      ASSERT_TRUE(done.ok());
      ASSERT_EQ(done.value().texts.size(), 5u);
      for (size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(done.value().texts[i].generation.tokens, expected.value().texts[i].generation.tokens);
        EXPECT_EQ(done.value().texts[i].score, expected.value().texts[i].score);
      }
    }
  }
}

TEST_F(Beams, ScoresAreThoseOfTheTextsRunAlone) {
  for (const double penalty : {1.0, 0.0, -1.5}) {
    const auto done = generate_beams(*engine_, prompt(9), up_to(8), {.beams = 4, .length_penalty = penalty});
    ASSERT_TRUE(done.ok());
    for (const BeamText& text : done.value().texts) {
      EXPECT_NEAR(text.sum_logprob, log_probability(prompt(9), text.generation.tokens), 1e-5);
      const auto length = static_cast<double>(text.generation.tokens.size());
      EXPECT_NEAR(text.score, text.sum_logprob / std::pow(length, penalty), 1e-9 * std::abs(text.score));
    }
  }
}

TEST_F(Beams, OneIsGreedyAndMoreFindNothingWorse) {
  for (int n = 1; n < 12; ++n) {
    GenerateOptions options = up_to(10);
    options.settings.temperature = 0;
    Sequence sequence = engine_->new_sequence();
    const auto greedy = generate(*engine_, sequence, prompt(n), options);
    ASSERT_TRUE(greedy.ok());
    const auto one = generate_beams(*engine_, prompt(n), options, {.beams = 1, .length_penalty = 0});
    ASSERT_TRUE(one.ok());
    EXPECT_EQ(one.value().texts[0].generation.tokens, greedy.value().tokens);
    EXPECT_EQ(one.value().texts[0].generation.text, greedy.value().text);
    EXPECT_EQ(one.value().texts[0].generation.finish_reason, greedy.value().finish_reason);
    const auto many = generate_beams(*engine_, prompt(n), options, {.beams = 64, .length_penalty = 0});
    ASSERT_TRUE(many.ok());
    EXPECT_GE(many.value().texts[0].score, one.value().texts[0].score);
  }
}

TEST_F(Beams, AStopTokenEndsATextAndIsNotInIt) {
  GenerateOptions options = up_to(30);
  options.stop_at_end_of_turn = true;
  options.settings.logit_bias = {{{256}, 4.0}};  // the model's stop token
  const auto done = generate_beams(*engine_, prompt(5), options, {.beams = 3});
  ASSERT_TRUE(done.ok());
  bool stopped = false;
  for (const BeamText& text : done.value().texts) {
    if (text.generation.finish_reason != FinishReason::kStop) continue;
    stopped = true;
    EXPECT_EQ(text.generation.tokens.back(), 256);
    EXPECT_EQ(std::ranges::count(text.generation.tokens, 256), 1);
    EXPECT_EQ(text.generation.text.find("<s0>"), std::string::npos);
  }
  EXPECT_TRUE(stopped);
}

TEST_F(Beams, AStopStringEndsATextBeforeIt) {
  const auto plain = generate_beams(*engine_, prompt(5), up_to(8), {.beams = 3});
  ASSERT_TRUE(plain.ok());
  const Generation& best = plain.value().texts[0].generation;
  const std::string stop(engine_->tokenizer().piece(best.tokens[3]));
  GenerateOptions options = up_to(8);
  options.stop = {stop};
  const auto done =
      generate_beams(*engine_, prompt(5), options, {.beams = 3, .early_stopping = EarlyStopping::kTrue});
  ASSERT_TRUE(done.ok());
  bool stopped = false;
  for (const BeamText& text : done.value().texts) {
    EXPECT_EQ(text.generation.text.find(stop), std::string::npos);
    stopped |= text.generation.finish_reason == FinishReason::kStop;
  }
  EXPECT_TRUE(stopped);
  options.stop = {""};
  EXPECT_EQ(generate_beams(*engine_, prompt(5), options, {}).error().code, ErrorCode::kUsage);
}

TEST_F(Beams, EndAtAFullContext) {
  const auto small = engine({.n_threads = 1, .n_ctx = 8});
  const auto done = generate_beams(*small, prompt(5), up_to(256), {.beams = 3});
  ASSERT_TRUE(done.ok());
  for (const BeamText& text : done.value().texts) {
    EXPECT_EQ(text.generation.tokens.size(), 4u);  // as a text alone
    EXPECT_EQ(text.generation.finish_reason, FinishReason::kLength);
  }
  EXPECT_EQ(generate_beams(*small, prompt(9), up_to(4), {}).error().code, ErrorCode::kContext);
}

TEST_F(Beams, EndWithWhatTheyHaveWhereTheyAreCancelled) {
  const auto stopped = generate_beams(*engine_, prompt(5), up_to(256), {.beams = 3},
                                      [](const BeamStepView& step) { return step.index < 2; });
  ASSERT_TRUE(stopped.ok());
  ASSERT_EQ(stopped.value().texts.size(), 3u);
  EXPECT_EQ(stopped.value().texts[0].generation.tokens.size(), 3u);
  EXPECT_EQ(stopped.value().texts[0].generation.finish_reason, FinishReason::kCancelled);

  GenerateOptions never_begun = up_to(256);
  never_begun.cancelled = [] { return true; };
  const auto none = generate_beams(*engine_, prompt(5), never_begun, {.beams = 3});
  ASSERT_TRUE(none.ok());
  ASSERT_EQ(none.value().texts.size(), 1u);
  EXPECT_TRUE(none.value().texts[0].generation.tokens.empty());
  EXPECT_EQ(none.value().texts[0].generation.finish_reason, FinishReason::kCancelled);
}

TEST_F(Beams, ThatMayNotGoOnDropOutAndAllOfThemAreAnError) {
  GenerateOptions options = up_to(30);
  options.settings.no_repeat_ngram_size = 1;
  options.settings.allowed_tokens = {1, 2, 3, 4};  // four tokens, each once
  const auto done = generate_beams(*engine_, prompt(1), options, {.beams = 3});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::kUsage);
  EXPECT_NE(done.error().message().find("step 4"), std::string::npos) << done.error().message();
  options.max_tokens = 4;
  const auto fits = generate_beams(*engine_, prompt(1), options, {.beams = 3});
  ASSERT_TRUE(fits.ok());
  EXPECT_EQ(fits.value().texts[0].generation.tokens.size(), 4u);
}

TEST_F(Beams, HoldEachTextToItsStructure) {
  GenerateOptions options = up_to(20);
  options.stop_at_end_of_turn = true;
  options.settings.choice = {"yes", "no", "maybe"};
  const auto done = generate_beams(*engine_, prompt(4), options, {.beams = 4, .length_penalty = 0});
  ASSERT_TRUE(done.ok()) << done.error().message();
  ASSERT_EQ(done.value().texts.size(), 3u);  // there are no more
  std::vector<std::string> texts;
  for (const BeamText& text : done.value().texts) {
    texts.push_back(text.generation.text);
    EXPECT_EQ(text.generation.finish_reason, FinishReason::kStop);
  }
  std::ranges::sort(texts);
  EXPECT_EQ(texts, (std::vector<std::string>{"maybe", "no", "yes"}));
}

TEST_F(Beams, RefuseWhatIsOutOfRange) {
  for (const BeamOptions& wrong :
       {BeamOptions{.beams = 0}, BeamOptions{.beams = 65}, BeamOptions{.length_penalty = 10.5},
        BeamOptions{.length_penalty = std::nan("")}}) {
    EXPECT_EQ(generate_beams(*engine_, prompt(3), up_to(4), wrong).error().code, ErrorCode::kUsage);
  }
  GenerateOptions bad = up_to(4);
  bad.settings.repetition_penalty = -1;
  EXPECT_EQ(generate_beams(*engine_, prompt(3), bad, {}).error().code, ErrorCode::kUsage);
  EXPECT_EQ(generate_beams(*engine_, {}, up_to(4), {}).error().code, ErrorCode::kUsage);
}

}  // namespace
}  // namespace pellucid::generation
