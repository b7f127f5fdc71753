// Guidance in a whole text: each step's logits are those of two texts run by themselves, and what is drawn
// from is their combination, made here by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "generation/branch.h"
#include "generation/generate.h"
#include "generation/model_file.h"
#include "generation/scheduler.h"

namespace pellucid::generation {
namespace {

GenerateOptions guided(double scale, std::vector<int32_t> negative, int max_tokens = 24) {
  GenerateOptions options;
  options.seed = 5;
  options.max_tokens = max_tokens;
  options.stop_at_end_of_turn = false;
  options.settings.temperature = 0.8;
  options.settings.guidance_scale = scale;
  options.negative_prompt = std::move(negative);
  return options;
}

/// A step, kept.
struct Step {
  std::vector<float> logits;
  std::vector<float> unconditional;
  std::vector<std::pair<int32_t, double>> candidates;  // probabilities
  sampling::Draw draw;
};

class Guided : public ::testing::Test {
 protected:
  Guided() : file_({.type = TensorType::kQ4_1}) {
    auto loaded = Engine::load(file_.path(), {.n_threads = 2});
    EXPECT_TRUE(loaded.ok());
    engine_ = std::move(loaded).value();
  }

  Generation run(const GenerateOptions& options, std::vector<Step>* steps = nullptr) {
    Sequence sequence = engine_->new_sequence();
    const auto observe = [steps](const StepView& view) {
      if (steps == nullptr) return true;
      Step& step = steps->emplace_back();
      step.logits.assign(view.logits.begin(), view.logits.end());
      step.unconditional.assign(view.context.unconditional.begin(), view.context.unconditional.end());
      const sampling::Candidates& left = view.chain.candidates;
      for (size_t i = 0; i < left.size(); ++i) step.candidates.emplace_back(left.id(i), left.probability(i));
      step.draw = view.draw();
      return true;
    };
    auto done = branch_off(*engine_, sequence, prompt_, options, observe);
    EXPECT_TRUE(done.ok()) << done.error().message();
    return done.ok() ? std::move(done).value() : Generation();
  }

  /// The rows after `before`, at the last of its tokens and at each of those that follow but the last.
  std::vector<float> rows_after(std::vector<int32_t> before, const std::vector<int32_t>& tokens) {
    const size_t skipped = before.size() - 1;
    before.insert(before.end(), tokens.begin(), tokens.end() - 1);
    const std::vector<float> all = test::all_logits(*engine_, before);
    return {all.begin() + static_cast<ptrdiff_t>(skipped) * engine_->n_vocab(), all.end()};
  }

  test::ModelFile file_;
  std::unique_ptr<Engine> engine_;
  std::vector<int32_t> prompt_{72, 101, 108, 108, 111, 108};
};

void expect_same_bits(std::span<const float> made, std::span<const float> expected) {
  ASSERT_EQ(made.size(), expected.size());
  EXPECT_EQ(std::memcmp(made.data(), expected.data(), made.size_bytes()), 0);
}

/// u + scale (c - u) of log-probabilities, and what of it is likely, in the C library's arithmetic.
std::vector<long double> by_hand(const Step& step, double scale, double temperature) {
  const auto log_softmax = [](std::span<const float> row) {
    long double total = 0;
    for (const float x : row) total += std::exp(static_cast<long double>(x));
    std::vector<long double> result;
    for (const float x : row) result.push_back(x - std::log(total));
    return result;
  };
  const auto c = log_softmax(step.logits);
  const auto u = log_softmax(step.unconditional);
  std::vector<long double> weights;
  for (size_t i = 0; i < c.size(); ++i) {
    weights.push_back(std::exp((u[i] + scale * (c[i] - u[i])) / temperature));
  }
  return weights;
}

TEST_F(Guided, EachStepCombinesTwoTextsRunByThemselves) {
  const std::vector<int32_t> negative{9, 200, 31};
  for (const double scale : {0.0, 0.6, 1.7, 6.0}) {
    std::vector<Step> steps;
    const Generation done = run(guided(scale, negative), &steps);
    ASSERT_EQ(done.tokens.size(), 24u);
    const std::vector<float> conditional = rows_after(prompt_, done.tokens);
    const std::vector<float> unconditional = rows_after(negative, done.tokens);
    const auto n = static_cast<size_t>(engine_->n_vocab());
    for (size_t i = 0; i < steps.size(); ++i) {
      expect_same_bits(steps[i].logits, std::span(conditional).subspan(i * n, n));
      expect_same_bits(steps[i].unconditional, std::span(unconditional).subspan(i * n, n));
      const std::vector<long double> weights = by_hand(steps[i], scale, 0.8);
      long double total = 0;  // of who was left
      for (const auto& [id, p] : steps[i].candidates) total += weights[static_cast<size_t>(id)];
      for (const auto& [id, p] : steps[i].candidates) {
        EXPECT_NEAR(p, static_cast<double>(weights[static_cast<size_t>(id)] / total), 2e-5);
      }
    }
  }
}

TEST_F(Guided, WithoutANegativePromptTheLastTokenOfThePromptStandsForIt) {
  std::vector<Step> without;
  std::vector<Step> with;
  EXPECT_EQ(run(guided(2, {}), &without).tokens, run(guided(2, {prompt_.back()}), &with).tokens);
  for (size_t i = 0; i < with.size(); ++i) expect_same_bits(without[i].unconditional, with[i].unconditional);
}

TEST_F(Guided, AScaleOfOneIsThePlainTextWithoutASecondPass) {
  GenerateOptions plain = guided(1, {});
  std::vector<Step> expected;
  std::vector<Step> steps;
  const Generation text = run(plain, &expected);
  EXPECT_EQ(run(guided(1, {9, 200, 31}), &steps).tokens, text.tokens);
  ASSERT_EQ(steps.size(), expected.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    expect_same_bits(steps[i].logits, expected[i].logits);
    EXPECT_TRUE(steps[i].unconditional.empty());
    EXPECT_EQ(steps[i].draw.low, expected[i].draw.low);
    EXPECT_EQ(steps[i].draw.high, expected[i].draw.high);
  }
}

TEST_F(Guided, DraftsChangeNothing) {
  prompt_.clear();
  for (int i = 0; i < 48; ++i) prompt_.push_back(i % 12 + 40);
  for (const double temperature : {0.0, 0.3}) {
    std::vector<Step> steps[2];
    Generation texts[2];
    for (const bool speculate : {false, true}) {
      GenerateOptions options = guided(1.5, {40, 41, 42}, 150);
      options.settings.temperature = temperature;
      options.speculate = speculate;
      texts[speculate ? 1 : 0] = run(options, &steps[speculate ? 1 : 0]);
    }
    EXPECT_EQ(texts[0].tokens, texts[1].tokens);
    ASSERT_EQ(steps[0].size(), steps[1].size());
    for (size_t i = 0; i < steps[0].size(); ++i) {
      expect_same_bits(steps[0][i].logits, steps[1][i].logits);
      expect_same_bits(steps[0][i].unconditional, steps[1][i].unconditional);
    }
  }
}

TEST_F(Guided, ATextBegunGoesOnAsItWould) {
  for (const std::vector<int32_t>& negative : {std::vector<int32_t>{}, {9, 200}}) {
    const Generation whole = run(guided(3, negative));
    GenerateOptions rest = guided(3, negative);
    rest.begun.tokens.assign(whole.tokens.begin(), whole.tokens.begin() + 9);
    EXPECT_EQ(run(rest).tokens, whole.tokens);
  }
}

TEST_F(Guided, TheLongerOfTheTextsFillsTheContext) {
  const int n_ctx = engine_->options().n_ctx;
  std::vector<int32_t> negative(static_cast<size_t>(n_ctx) - 4, 65);
  for (const bool speculate : {false, true}) {
    GenerateOptions options = guided(2, negative, 100);
    options.speculate = speculate;
    const Generation done = run(options);
    EXPECT_EQ(done.finish_reason, FinishReason::kLength);
    EXPECT_EQ(done.tokens.size(), 5u);  // the last one needs no position
  }
  negative.resize(static_cast<size_t>(n_ctx) + 1, 65);
  Sequence sequence = engine_->new_sequence();
  EXPECT_EQ(generate(*engine_, sequence, prompt_, guided(2, negative)).error().code, ErrorCode::kContext);
  Sequence other = engine_->new_sequence();
  EXPECT_EQ(generate(*engine_, other, prompt_, guided(2, {-1})).error().code, ErrorCode::kUsage);
}

TEST_F(Guided, TextsThatShareTheirPassesAreThoseTheyAreAlone) {
  Scheduler scheduler(*engine_, {});
  // Negative prompts that are shorter and longer than the prompt, and than a pass; and texts without
  // guidance.
  std::vector<GenerateOptions> all;
  for (const size_t n : {0UL, 1UL, 40UL, 300UL}) {
    for (const double scale : {1.0, 1.7}) {
      all.push_back(guided(scale, std::vector<int32_t>(n, 65), 20));
      all.back().seed = all.size();
      all.back().settings.temperature = 1;
    }
  }
  std::vector<std::optional<Generation>> together(all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    scheduler.submit(
        {prompt_, all[i], {}, [&, i](Result<Generation> done) { together[i] = std::move(done).value(); }});
  }
  while (scheduler.step()) {
  }
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_TRUE(together[i]) << i;
    EXPECT_EQ(together[i]->tokens, run(all[i]).tokens) << i;
  }
  std::optional<Error> error;
  scheduler.submit({prompt_, guided(2, {-1}), {}, [&](Result<Generation> done) { error = done.error(); }});
  EXPECT_FALSE(scheduler.step());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kUsage);
}

}  // namespace
}  // namespace pellucid::generation
