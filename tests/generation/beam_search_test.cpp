// The bookkeeping of beam search, by its rules: who goes on, who finishes, and when it is over.
#include "generation/beam_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "generation/beam_table.h"
#include "sampling/support.h"

namespace pellucid::generation {
namespace {

using enum BeamFate;

TEST(BeamSearch, OnlyTheFirstMayFinishAndOnlyOthersGoOn) {
  BeamSearch search({.beams = 2, .max_length = 9});
  const std::vector<BeamCandidate> first{
      {0, 5, -1}, {0, 9, -2, true}, {0, 8, -3, true}, {0, 6, -4}, {0, 7, -5}};
  EXPECT_EQ(search.step(first), (std::vector{kGoesOn, kFinishes, kTooLow, kGoesOn, kCrowded}));
  ASSERT_EQ(search.running().size(), 2u);
  EXPECT_EQ(search.running()[0].tokens, std::vector<int32_t>{5});
  EXPECT_EQ(search.running()[1].tokens, std::vector<int32_t>{6});
  EXPECT_EQ(search.chosen(), (std::vector<size_t>{0, 3}));
  ASSERT_EQ(search.finished().size(), 1u);
  EXPECT_EQ(search.finished()[0].score, -2);
  EXPECT_FALSE(search.done());

  const std::vector<BeamCandidate> second{{1, 4, -4.5}, {0, 9, -5, true}, {0, 4, -6}};
  EXPECT_EQ(search.step(second), (std::vector{kGoesOn, kFinishes, kGoesOn}));
  EXPECT_EQ(search.running()[0].tokens, (std::vector<int32_t>{6, 4}));
  EXPECT_EQ(search.running()[1].tokens, (std::vector<int32_t>{5, 4}));
  EXPECT_EQ(search.finished()[0].beam.tokens, std::vector<int32_t>{9});  // -2 before -5 / 2
  EXPECT_EQ(search.finished()[1].score, -2.5);
}

TEST(BeamSearch, AWorseTextThanThoseThatThereAreIsOutscored) {
  BeamSearch search(
      {.beams = 1, .length_penalty = 0, .early_stopping = EarlyStopping::kNever, .max_length = 9});
  search.step(std::vector<BeamCandidate>{{0, 1, -1}});
  search.step(std::vector<BeamCandidate>{{0, 9, -1.5, true}, {0, 1, -1.6}});
  EXPECT_TRUE(search.done());  // -1.6 cannot rise
  BeamSearch longer(
      {.beams = 1, .length_penalty = 2, .early_stopping = EarlyStopping::kNever, .max_length = 9});
  longer.step(std::vector<BeamCandidate>{{0, 9, -1.5, true}, {0, 1, -1.6}});
  EXPECT_FALSE(longer.done());  // -1.6 / 81 would be better
  EXPECT_EQ(longer.step(std::vector<BeamCandidate>{{0, 9, -7, true}, {0, 1, -8}}),
            (std::vector{kOutscored, kGoesOn}));
  EXPECT_EQ(longer.finished()[0].beam.tokens, std::vector<int32_t>{9});
}

TEST(BeamSearch, TheRuleOfTheEndDecidesHowFarItLooks) {
  const std::vector<BeamCandidate> first{{0, 9, -1, true}, {0, 1, -1.2}};
  const std::vector<BeamCandidate> second{{0, 9, -1.9, true}, {0, 1, -1.95}};
  const auto steps = [&](EarlyStopping when) {
    BeamSearch search({.beams = 1, .early_stopping = when, .max_length = 20});
    int n = 1;
    search.step(first);
    for (; !search.done() && n < 2; ++n) search.step(second);
    return n + (search.done() ? 0 : 1);
  };
  EXPECT_EQ(steps(EarlyStopping::kTrue), 1);
  EXPECT_EQ(steps(EarlyStopping::kFalse), 1);  // -1.2 / 1 is below -1
  EXPECT_EQ(steps(EarlyStopping::kNever), 3);  // -1.2 / 20 is above it
}

TEST(BeamSearch, AtTheLastStepTheBestBecomeTexts) {
  BeamSearch search({.beams = 2, .max_length = 1});
  EXPECT_EQ(search.step(std::vector<BeamCandidate>{{0, 3, -1}, {0, 9, -2, true}, {0, 4, -3}}),
            (std::vector{kFinishes, kFinishes, kTooLow}));
  EXPECT_TRUE(search.done());
  EXPECT_EQ(search.finished()[0].end, BeamEnd::kLength);
  EXPECT_EQ(search.finished()[1].end, BeamEnd::kToken);
}

TEST(BeamSearch, CancelledItGivesWhatThereIs) {
  BeamSearch search({.beams = 3, .max_length = 9});
  search.step(std::vector<BeamCandidate>{{0, 3, -1}, {0, 9, -2, true}, {0, 4, -3}});
  search.cancel();
  EXPECT_TRUE(search.done());
  ASSERT_EQ(search.finished().size(), 3u);
  EXPECT_EQ(search.finished()[0].end, BeamEnd::kCancelled);
  EXPECT_EQ(search.finished()[1].end, BeamEnd::kToken);
  BeamSearch fresh({.beams = 3, .max_length = 9});
  fresh.cancel();
  ASSERT_EQ(fresh.finished().size(), 1u);
  EXPECT_TRUE(fresh.finished()[0].beam.tokens.empty());
  const BeamSearch none({.beams = 3, .max_length = 0});
  EXPECT_TRUE(none.done());
  EXPECT_EQ(none.finished().size(), 1u);
}

/// Every text of a table, as long as it may be: the sums of their log-probabilities, in the C library's
/// arithmetic.
void every_text(const test::BeamTable& table, std::vector<int32_t>& text, size_t length, double sum,
                std::map<std::vector<int32_t>, double>& all) {
  if (text.size() == length) {
    all[{text.begin() + 1, text.end()}] = sum;
    return;
  }
  const std::vector<float> row = table.after(text);
  double total = 0;
  for (const float logit : row) total += std::exp(static_cast<double>(logit));
  for (size_t id = 0; id < row.size(); ++id) {
    text.push_back(static_cast<int32_t>(id));
    every_text(table, text, length, sum + row[id] - std::log(total), all);
    text.pop_back();
  }
}

TEST(BeamSearch, WithRoomForAllItFindsTheLikeliestTextThereIs) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    test::BeamTable table;
    table.seed = seed;
    table.vocab = 4;
    const std::vector<int32_t> prompt{1};
    auto chooser = Chooser::make(sampling::test::all_off(), 0, 0, 1, {}, {});
    ASSERT_TRUE(chooser.ok());
    BeamContinuation beams({.beams = 64, .length_penalty = 0, .max_length = 3},
                           {prompt, chooser.value(), {}, TextTail({}), false, {}}, {});
    while (beams.step(table.after(prompt, beams.search().running())).value()) {
    }
    std::map<std::vector<int32_t>, double> all;
    std::vector<int32_t> text = prompt;
    every_text(table, text, 4, 0, all);
    const std::vector<FinishedBeam>& found = beams.search().finished();
    ASSERT_EQ(found.size(), 64u);
    double before = std::numeric_limits<double>::infinity();
    for (const FinishedBeam& one : found) {
      EXPECT_NEAR(one.beam.sum, all.at(one.beam.tokens), 2e-6);
      EXPECT_LE(one.score, before);
      before = one.score;
      all.erase(one.beam.tokens);
    }
    EXPECT_TRUE(all.empty());
  }
}

}  // namespace
}  // namespace pellucid::generation
