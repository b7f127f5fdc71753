// Draws of every stage of the registry against the textbook's distribution, and the test of this test: biases
// that are planted have to be seen. PELLUCID_DRAWS=10000000 (make statistics) makes ten times as many draws.
#include "sampling/statistics.h"

#include <gtest/gtest.h>

#include <random>

#include "sampling/chain.h"
#include "sampling/draw.h"
#include "sampling/every_stage.h"
#include "sampling/expected.h"
#include "sampling/registry.h"
#include "sampling/support.h"

namespace pellucid::sampling {
namespace {

namespace tb = textbook;

/// A row, and a text that every stage finds something in.
class Case {
 public:
  Case(std::vector<float> row, Settings settings, StageId stage, uint64_t seed)
      : row_(std::move(row)), settings_(std::move(settings)) {
    const bool at_the_beginning = stage == StageId::kBeginSuppressTokens || stage == StageId::kForcedTokens;
    context_.tokens = text_;
    context_.prompt_length = at_the_beginning ? text_.size() : 4;
    context_.end_ids = ends_;
    if (is_structured(settings_)) context_.allowed = set_;
    unconditional_.assign(row_.rbegin(), row_.rend());
    if (is_guided(settings_)) context_.unconditional = unconditional_;
    context_.banned = banned_;
    context_.seed = seed;
    state_.adaptive_sum = 2.0;
    state_.adaptive_weight = 8.0;
    state_.mirostat_mu = 4.5;
  }
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  /// By id, as the textbook has it; XTC's coin is tossed both ways.
  [[nodiscard]] std::vector<double> expected() const {
    std::vector<double> heads = expected_with(0);
    const std::vector<double> tails = expected_with(1 - 1e-9);
    const double p = settings_.xtc_probability;
    for (size_t id = 0; id < heads.size(); ++id) heads[id] = p * heads[id] + (1 - p) * tails[id];
    return heads;
  }

  /// Counts of n draws by id. The chain runs again at each step only where it depends on it.
  std::vector<double> counts(int n) {
    std::vector<double> counts(row_.size(), 0);
    ChainResult chain = run();
    const bool random =
        std::ranges::any_of(chain.reports, [](const auto& one) { return one.random.has_value(); });
    for (int step = 0; step < n; ++step) {
      context_.step = static_cast<uint64_t>(step);
      if (random) chain = run();
      ++counts[static_cast<size_t>(draw(chain.candidates, context_.seed, 0, context_.step).token)];
    }
    return counts;
  }

 private:
  [[nodiscard]] ChainResult run() const {
    auto chain = run_chain(row_, settings_, context_, state_);
    EXPECT_TRUE(chain.ok()) << chain.error().message();
    return std::move(chain).value();
  }

  [[nodiscard]] std::vector<double> expected_with(double coin) const {
    const tb::Given given{settings_, context_, state_, allowed_, coin, row_.size()};
    tb::Tokens tokens = tb::tokens_of(row_);
    for (const StageId id : settings_.order) {
      if (!is_identity(settings_, row(id))) tokens = tb::after_stage(id, tokens, given);
    }
    const std::vector<tb::Real> p = tb::softmax(tokens);
    std::vector<double> by_id(row_.size(), 0);
    for (size_t i = 0; i < p.size(); ++i)
      by_id[static_cast<size_t>(tokens[i].id)] = static_cast<double>(p[i]);
    return by_id;
  }

  std::vector<float> row_;
  Settings settings_;
  std::vector<int32_t> text_{5, 1, 8, 4, 5, 1, 8, 4, 5, 1};
  std::vector<int32_t> ends_{2};
  std::vector<int32_t> allowed_{0, 2, 3, 5, 8, 13, 21};
  TokenSet set_ = token_set(allowed_);
  std::vector<int32_t> banned_{3, 8};
  std::vector<float> unconditional_;
  Context context_;
  State state_;
};

/// The p-value of n draws. A token that the textbook rules out must not be drawn.
double tested(Case& one, int n) {
  const std::vector<double> expected = one.expected();
  const std::vector<double> counts = one.counts(n);
  for (size_t id = 0; id < counts.size(); ++id) {
    if (expected[id] > 0) continue;
    EXPECT_EQ(counts[id], 0) << "token " << id << " is not in the support";
  }
  return test::p_value(counts, expected);
}

std::vector<float> random_row(std::mt19937& random, size_t size) {
  std::vector<float> row(size);
  for (float& logit : row) logit = static_cast<float>(random() % 4000) / 1000.0F;
  return row;
}

TEST(Statistics, EveryStageDrawsFromTheTextbooksDistribution) {
  std::mt19937 random(20261127);
  for (const StageRow& stage : stages()) {
    const Settings settings = test::with(test::all_off(), test::words_of(stage.id));
    ASSERT_FALSE(is_identity(settings, stage)) << stage.name;
    Case one(random_row(random, 60), settings, stage.id, random());
    EXPECT_GT(tested(one, test::draws()), 1e-5) << stage.name;
  }
}

TEST(Statistics, PValuesOfAThousandConfigurationsAreUniform) {
  std::mt19937 random(77);
  std::vector<double> p_values;
  constexpr int kRows = 42;
  for (int i = 0; i < kRows; ++i) {
    for (const StageRow& stage : stages()) {
      Settings settings = test::with(test::all_off(), test::words_of(stage.id));
      settings.order = {StageId::kTemperature, stage.id};
      if (stage.id == StageId::kGuidance)
        std::swap(settings.order[0], settings.order[1]);  // is always the first
      if (stage.id == StageId::kTemperature || stage.id == StageId::kDynamicTemperature) {
        settings.order = {stage.id};
      }
      settings.temperature = 0.5 + static_cast<double>(random() % 100) / 50;
      if (settings.temperature == 1) settings.temperature = 1.01;
      Case one(random_row(random, 30 + random() % 30), settings, stage.id, random());
      const double p = tested(one, test::draws() / 50);
      if (p < 1) p_values.push_back(p);  // 1: one token is left
    }
  }
  ASSERT_GE(p_values.size(), 1000U);
  // Too good a fit fails as well as too bad a one.
  EXPECT_LT(test::distance_from_uniform(p_values), 1.95);
}

/// Counts of n draws by rank, where u is what `biased` makes of it.
template <typename Biased>
std::vector<double> counts_of(const Candidates& from, int n, const Biased& biased) {
  std::vector<double> counts(from.size(), 0);
  for (int step = 0; step < n; ++step) {
    const double u = random_draw(5, 0, static_cast<uint64_t>(step)).u;
    ++counts[draw_at(from, biased(u)).value().rank];
  }
  return counts;
}

Candidates candidates_of(const std::vector<double>& probabilities) {
  std::vector<float> row;
  for (const double p : probabilities) row.push_back(static_cast<float>(std::log(p)));
  return run_chain(row, test::all_off()).value().candidates;
}

std::vector<double> probabilities_of(const Candidates& candidates) {
  std::vector<double> p;
  for (size_t rank = 0; rank < candidates.size(); ++rank) p.push_back(candidates.probability(rank));
  return p;
}

double unbiased(double u) { return u; }

TEST(Statistics, AGeneratorThatIsAThousandthOffIsSeen) {
  const Candidates from = candidates_of({0.5, 0.3, 0.15, 0.04, 0.01});
  const std::vector<double> expected = probabilities_of(from);
  const int n = std::max(test::draws(), 1'000'000);
  EXPECT_GT(test::p_value(counts_of(from, n, unbiased), expected), 1e-4);
  EXPECT_LT(test::p_value(counts_of(from, n, [](double u) { return u * 0.999; }), expected), 1e-6);
}

TEST(Statistics, AThousandthOfTheMassGivenToAnotherTokenIsSeen) {
  const Candidates from = candidates_of({0.5, 0.44, 0.03, 0.03});
  std::vector<double> wrong = probabilities_of(from);
  wrong[2] += 0.001;
  wrong[3] -= 0.001;
  const int n = std::max(test::draws(), 1'000'000);
  EXPECT_LT(test::p_value(counts_of(from, n, unbiased), wrong), 1e-6);
}

TEST(Statistics, ATokenThatIsAThousandthTooLikelyIsSeen) {
  // It takes 10^8 draws; with fewer, a bias that is larger by as much as they see less.
  const double bias = 0.001 * std::sqrt(1e7 / test::draws());
  const Candidates from = candidates_of({0.5, 0.5});
  std::vector<double> wrong = probabilities_of(from);
  wrong[0] *= 1 + bias;
  wrong[1] = 1 - wrong[0];
  const std::vector<double> counts = counts_of(from, 10 * test::draws(), unbiased);
  EXPECT_GT(test::p_value(counts, probabilities_of(from)), 1e-4);
  EXPECT_LT(test::p_value(counts, wrong), 1e-6);
}

TEST(Statistics, ASettingThatIsAHundredthOffIsSeen) {
  std::mt19937 random(3);
  const std::vector<float> row = random_row(random, 60);
  Case right(row, test::with(test::all_off(), "temperature=0.8"), StageId::kTemperature, 1);
  const Case wrong(row, test::with(test::all_off(), "temperature=0.808"), StageId::kTemperature, 1);
  const std::vector<double> counts = right.counts(std::max(test::draws(), 1'000'000));
  EXPECT_GT(test::p_value(counts, right.expected()), 1e-4);
  EXPECT_LT(test::p_value(counts, wrong.expected()), 1e-6);
}

}  // namespace
}  // namespace pellucid::sampling
