// Structured output on a tiny model, whose tokens are the bytes: alone, in batches, and gone on from.
#include "generation/guides.h"

#include <gtest/gtest.h>

#include <regex>

#include "generation/generate.h"
#include "generation/model_file.h"
#include "generation/scheduler.h"

namespace pellucid::generation {
namespace {

class Guides : public test::TextTest {
 protected:
  static GenerateOptions following(const std::string& pattern, uint64_t seed) {
    GenerateOptions options;
    options.settings.regex = pattern;
    options.settings.top_k = 0;
    options.settings.top_p = 1;
    options.settings.repetition_penalty = 1.2;
    options.seed = seed;
    options.max_tokens = 40;
    return options;
  }
};

TEST_F(Guides, TextsMatchAndEndByThemselves) {
  for (const char* pattern : {"(ab|ba){3}", "[a-c]{2,6}x", "a|bc|def", "(0|[1-9][0-9]{0,3})"}) {
    for (uint64_t seed = 0; seed < 10; ++seed) {
      const auto done = run(following(pattern, seed));
      ASSERT_TRUE(done.ok()) << done.error().message();
      EXPECT_TRUE(std::regex_match(done.value().text, std::regex(pattern))) << done.value().text;
      EXPECT_EQ(done.value().finish_reason, FinishReason::kStop);
    }
  }
}

TEST_F(Guides, WhereTheEndIsIgnoredTheLongestTextComesOut) {
  GenerateOptions options = following("a{1,12}", 1);
  options.stop_at_end_of_turn = false;
  const auto done = run(options);
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(done.value().text, std::string(12, 'a'));
}

TEST_F(Guides, TheMaskIsAStageBeforeTheOthersAndFinal) {
  const auto done = run(following("[ab]{10}", 3), [](const StepView& step) {
    const sampling::StageReport& first = step.chain.reports.front();
    EXPECT_EQ(first.stage, sampling::StageId::kGrammar);
    EXPECT_EQ(first.kept, 2U);
    EXPECT_TRUE(step.token == 'a' || step.token == 'b') << step.token;
    for (size_t rank = 0; rank < step.chain.candidates.size(); ++rank) {
      EXPECT_TRUE(
          sampling::contains(step.context.allowed, static_cast<size_t>(step.chain.candidates.id(rank))));
    }
    return true;
  });
  ASSERT_TRUE(done.ok()) << done.error().message();
}

TEST_F(Guides, DraftsAndBatchesChangeNothing) {
  std::vector<GenerateOptions> all;
  for (uint64_t seed = 0; seed < 6; ++seed)
    all.push_back(following(seed % 2 == 0 ? "(ab|ac){4,9}" : "", seed));
  std::vector<Generation> alone;
  for (GenerateOptions options : all) {
    alone.push_back(run(options).value());
    options.speculate = true;
    EXPECT_EQ(run(options).value().tokens, alone.back().tokens);
  }
  std::vector<std::vector<int32_t>> together(all.size());
  Scheduler scheduler(*engine_, {});
  for (size_t i = 0; i < all.size(); ++i) {
    scheduler.submit({prompt_, all[i], {}, [&together, i](Result<Generation> done) {
                        together[i] = done.value().tokens;
                      }});
  }
  while (scheduler.step()) {
  }
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(together[i], alone[i].tokens) << i;
}

TEST_F(Guides, ATextThatGoesOnFollowsFromItsBeginning) {
  GenerateOptions options = following("[ab]{4}c[ab]{4}", 3);
  const auto whole = run(options);
  ASSERT_TRUE(whole.ok());
  options.begun.tokens.assign(whole.value().tokens.begin(), whole.value().tokens.begin() + 6);
  Sequence sequence = engine_->new_sequence();
  std::vector<int32_t> tokens = prompt_;
  tokens.insert(tokens.end(), options.begun.tokens.begin(), options.begun.tokens.end());
  const auto rest = generate(*engine_, sequence, tokens, options);
  ASSERT_TRUE(rest.ok()) << rest.error().message();
  EXPECT_EQ(rest.value().tokens, whole.value().tokens);
  options.settings.regex = "[ab]{9}";
  Sequence other = engine_->new_sequence();
  const auto refused = generate(*engine_, other, tokens, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(),
            "the text so far is not of the structure: at step 4: the text cannot go on with this token");
  EXPECT_TRUE(other.tokens.empty());
}

TEST_F(Guides, WhatIsTakenHasToBeAllowed) {
  GenerateOptions options = following("[ab]{4}", 3);
  options.begun.take = {'a', 'b'};
  EXPECT_TRUE(run(options).value().text.starts_with("ab"));
  options.begun.take = {'a', 'c'};
  const auto refused = run(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(),
            "the tokens that are to be taken are not of the structure: at step 1: the text cannot go on with "
            "this token");
}

TEST_F(Guides, StructuresThatAreWrongAreRefusedBeforeAnythingRuns) {
  Sequence sequence = engine_->new_sequence();
  const auto done = generate(*engine_, sequence, prompt_, following("(a", 1));
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::kUsage);
  EXPECT_EQ(done.error().what, "setting regex");
  EXPECT_TRUE(sequence.tokens.empty());
}

}  // namespace
}  // namespace pellucid::generation
