// Texts that are continued together are those they would be alone, and disturb each other in nothing.
#include "generation/scheduler.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "generation/generate.h"
#include "generation/model_file.h"

namespace pellucid::generation {
namespace {

using test::prompt;

GenerateOptions options(uint64_t seed, int max_tokens) {
  GenerateOptions options;
  options.seed = seed;
  options.max_tokens = max_tokens;
  options.settings.temperature = 1.3F;
  options.stop_at_end_of_turn = false;
  return options;
}

class Schedule : public ::testing::Test {
 protected:
  Schedule() : file_({.type = TensorType::kQ4_0}) {
    auto engine = Engine::load(file_.path(), {.n_threads = 2, .prefill_chunk = 32});
    EXPECT_TRUE(engine.ok());
    engine_ = std::move(engine).value();
  }

  void submit(Scheduler& scheduler, int id, std::vector<int32_t> ids, GenerateOptions options) {
    scheduler.submit({std::move(ids), std::move(options), {}, [this, id](Result<Generation> result) {
                        EXPECT_FALSE(results_.contains(id));
                        results_.emplace(id, std::move(result));
                      }});
  }

  Generation alone(const std::vector<int32_t>& ids, const GenerateOptions& options) {
    Sequence sequence = engine_->new_sequence();
    auto result = generate(*engine_, sequence, ids, options);
    EXPECT_TRUE(result.ok());
    return std::move(result).value();
  }

  test::ModelFile file_;
  std::unique_ptr<Engine> engine_;
  std::map<int, Result<Generation>> results_;
};

TEST_F(Schedule, ManyTextsAreThoseTheyWouldBeAlone) {
  Scheduler scheduler(*engine_, {.max_texts = 5});
  const auto length = [](int i) { return 1 + i * 29 % 150; };
  for (int i = 0; i < 12; ++i) submit(scheduler, i, prompt(length(i), i), options(i, 3 + i * 5 % 40));
  while (scheduler.step()) {
  }
  ASSERT_EQ(results_.size(), 12u);
  for (int i = 0; i < 12; ++i) {
    const Generation expected = alone(prompt(length(i), i), options(i, 3 + i * 5 % 40));
    ASSERT_TRUE(results_.at(i).ok());
    EXPECT_EQ(results_.at(i).value().tokens, expected.tokens) << i;
    EXPECT_EQ(results_.at(i).value().text, expected.text) << i;
    EXPECT_EQ(results_.at(i).value().finish_reason, expected.finish_reason) << i;
  }
}

TEST_F(Schedule, ARequestThatFailsDisturbsNoOther) {
  Scheduler scheduler(*engine_, {});
  submit(scheduler, 0, prompt(9, 1), options(1, 8));
  submit(scheduler, 1, {}, options(1, 8));
  submit(scheduler, 2, {1, 100000}, options(1, 8));
  submit(scheduler, 3, prompt(600, 1), options(1, 8));
  GenerateOptions wrong = options(1, 8);
  wrong.settings.top_p = 7;
  submit(scheduler, 4, prompt(9, 1), wrong);
  submit(scheduler, 5, prompt(9, 1), options(1, 0));
  submit(scheduler, 6, prompt(510, 1), options(1, 8));  // meets the end of the context
  while (scheduler.step()) {
  }
  ASSERT_EQ(results_.size(), 7u);
  EXPECT_EQ(results_.at(0).value().tokens, alone(prompt(9, 1), options(1, 8)).tokens);
  EXPECT_EQ(results_.at(1).error().code, ErrorCode::kUsage);
  EXPECT_EQ(results_.at(2).error().code, ErrorCode::kUsage);
  EXPECT_EQ(results_.at(3).error().code, ErrorCode::kContext);
  EXPECT_EQ(results_.at(4).error().code, ErrorCode::kUsage);
  EXPECT_TRUE(results_.at(5).value().tokens.empty());
  EXPECT_EQ(results_.at(6).value().tokens, alone(prompt(510, 1), options(1, 8)).tokens);
}

TEST_F(Schedule, APromptThatStartsLikeAnEarlierOneRunsOnlyWhatDiffers) {
  Scheduler scheduler(*engine_, {});
  std::vector<int32_t> second = prompt(200, 1);
  second[150] = 3;
  submit(scheduler, 0, prompt(200, 1), options(1, 8));
  while (scheduler.step()) {
  }
  submit(scheduler, 1, second, options(2, 8));
  int passes = 0;
  while (scheduler.step()) ++passes;
  EXPECT_EQ(passes, 3 + 7);  // 72 tokens of the prompt in chunks of 32, then one token a pass
  EXPECT_EQ(results_.at(1).value().tokens, alone(second, options(2, 8)).tokens);
}

TEST_F(Schedule, ACallerMayCancelFromTheObserver) {
  Scheduler scheduler(*engine_, {});
  Request request{prompt(5, 1), options(1, 100), [](const StepView& step) { return step.index < 4; },
                  [this](Result<Generation> result) { results_.emplace(0, std::move(result)); }};
  scheduler.submit(std::move(request));
  while (scheduler.step()) {
  }
  EXPECT_EQ(results_.at(0).value().finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(results_.at(0).value().tokens.size(), 5u);
}

class Prefixes : public Schedule {
 protected:
  Sequence run(std::span<const int32_t> ids) {
    Sequence sequence = engine_->new_sequence();
    EXPECT_TRUE(engine_->extend(sequence, ids, Want::kNone, {}).ok());
    return sequence;
  }
};

TEST_F(Prefixes, GiveTheLongestBeginningWithItsBits) {
  PrefixCache cache(size_t{1} << 30);
  cache.remember(run(prompt(200, 1)));  // three pages
  cache.remember(run(prompt(140, 2)));
  std::vector<int32_t> ids = prompt(200, 1);
  ids[130] += 1;  // within the third
  Sequence warm = engine_->new_sequence();
  ASSERT_EQ(cache.start(warm, ids), 128);
  ASSERT_EQ(warm.tokens.size(), 128u);
  std::vector<float> rest;
  const LogitsSink keep = [&](int, std::span<const float> rows, int) -> Result<void> {
    rest.insert(rest.end(), rows.begin(), rows.end());
    return {};
  };
  ASSERT_TRUE(engine_->extend(warm, std::span<const int32_t>(ids).subspan(128), Want::kAll, keep).ok());
  const std::vector<float> cold = test::all_logits(*engine_, ids);
  ASSERT_EQ(rest.size(), 72u * 264);
  EXPECT_EQ(std::memcmp(rest.data(), cold.data() + 128 * 264, rest.size() * sizeof(float)), 0);
}

TEST_F(Prefixes, LeaveTheLastTokenToBeRunAndKnowNoOtherPrompt) {
  PrefixCache cache(size_t{1} << 30);
  cache.remember(run(prompt(128, 1)));
  Sequence same = engine_->new_sequence();
  EXPECT_EQ(cache.start(same, prompt(128, 1)), 64);
  Sequence other = engine_->new_sequence();
  EXPECT_EQ(cache.start(other, prompt(128, 2)), 0);
  std::vector<int32_t> second_page = prompt(192, 1);
  second_page.erase(second_page.begin(), second_page.begin() + 64);  // known tokens, but not as a beginning
  Sequence shifted = engine_->new_sequence();
  EXPECT_EQ(cache.start(shifted, second_page), 0);
}

TEST_F(Prefixes, TheOldestPagesGoFirstAndNoneIsKeptWithoutItsBeginning) {
  const size_t page = run(prompt(64, 1)).cache.bytes();
  PrefixCache cache(4 * page);
  cache.remember(run(prompt(192, 1)));
  cache.remember(run(prompt(128, 2)));  // the last page of the first goes
  EXPECT_EQ(cache.bytes(), 4 * page);
  Sequence first = engine_->new_sequence();
  EXPECT_EQ(cache.start(first, prompt(200, 1)), 128);
  Sequence second = engine_->new_sequence();
  EXPECT_EQ(cache.start(second, prompt(200, 2)), 128);
  PrefixCache nothing(0);
  nothing.remember(run(prompt(64, 1)));
  EXPECT_EQ(nothing.bytes(), 0u);
}

}  // namespace
}  // namespace pellucid::generation
