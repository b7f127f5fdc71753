// Dialects side by side: where each of the field's quiet disagreements makes them part, worked out by hand;
// and on random steps, against the chains run by themselves.
#include "cli/explain_compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "cli/explain_logits.h"
#include "cli/token_text.h"
#include "sampling/chain.h"

namespace pellucid::cli {
namespace {

/// The dialects with `words` ("NAME=VALUE ...") set besides.
std::vector<DialectSettings> with(const std::string& names, std::initializer_list<const char*> words = {}) {
  std::vector<DialectSettings> all;
  const auto dialects = parse_dialects(names);
  for (const sampling::Dialect& dialect : dialects.value()) {
    all.push_back({dialect, sampling::dialect_settings(dialect.name).value()});
    for (const std::string_view word : words) {
      const size_t equals = word.find('=');
      EXPECT_TRUE(sampling::set(all.back().settings, word.substr(0, equals), word.substr(equals + 1)).ok());
    }
  }
  return all;
}

ComparedStep compared(const std::vector<float>& logits, const std::vector<DialectSettings>& dialects,
                      double u) {
  DrawAddress address;
  address.u = u;
  auto step = compare_step(logits, dialects, address, 10);
  EXPECT_TRUE(step.ok()) << step.error().message();
  for (DialectStep& dialect : step.value().dialects)
    dialect.step.label = [](int32_t id) { return "#" + std::to_string(id); };
  return std::move(step).value();
}

std::vector<float> logs(std::initializer_list<double> probabilities) {
  std::vector<float> row;
  for (const double p : probabilities) row.push_back(static_cast<float>(std::log(p)));
  return row;
}

std::vector<int32_t> kept(const ComparedStep& step, size_t dialect) {
  const auto ids = step.dialects[dialect].step.chain.result.candidates.ids();
  return {ids.begin(), ids.end()};
}

using Ids = std::vector<int32_t>;

TEST(ExplainCompare, TemperatureBeforeMinPKeepsMoreThanAfterIt) {
  const auto step = compared({3, 2, 1}, with("hf,llamacpp", {"temperature=2", "min_p=0.2"}), 0.75);
  EXPECT_EQ(kept(step, 0), (Ids{0, 1, 2}));
  EXPECT_EQ(kept(step, 1), (Ids{0, 1}));
  const Parting& parting = step.partings.at(0);
  EXPECT_FALSE(parting.agree);
  EXPECT_EQ(stage_at(step.dialects[0].step, parting.one_alike), "temperature");
  EXPECT_EQ(stage_at(step.dialects[1].step, parting.other_alike), "min_p");
  EXPECT_EQ(parting.left, 3U);
  EXPECT_EQ(parting.one_alone, 1U);
  EXPECT_EQ(parting.other_alone, 0U);
  // e^-1 is all that only the one may draw, and the other shares it out.
  EXPECT_NEAR(parting.distance, std::exp(-1) / (1 + std::exp(-0.5) + std::exp(-1)), 1e-12);
}

TEST(ExplainCompare, TheTokenThatCrossesTopPIsKeptOrDropped) {
  const auto step = compared(logs({.5, .3, .2}), with("hf,sglang,exllamav3", {"top_k=0", "top_p=0.7"}), 0.6);
  EXPECT_EQ(kept(step, 0), (Ids{0, 1}));
  EXPECT_EQ(kept(step, 1), (Ids{0, 1}));
  EXPECT_EQ(kept(step, 2), (Ids{0}));
  EXPECT_TRUE(step.partings.at(0).agree);
  EXPECT_EQ(step.partings.at(0).distance, 0);
  EXPECT_FALSE(step.partings.at(1).agree);
  EXPECT_EQ(stage_at(step.dialects[2].step, step.partings.at(1).other_alike), "top_p");
  EXPECT_NEAR(step.partings.at(1).distance, 0.375, 1e-6);
}

TEST(ExplainCompare, TopPAfterTopKIsOfTheRestOrOfTheWhole) {
  const auto step = compared(logs({.4, .3, .2, .1}), with("hf,sglang", {"top_k=2", "top_p=0.55"}), 0.9);
  EXPECT_EQ(kept(step, 0), (Ids{0}));
  EXPECT_EQ(kept(step, 1), (Ids{0, 1}));
  EXPECT_EQ(step.dialects[0].step.draw.token, 0);
  EXPECT_EQ(step.dialects[1].step.draw.token, 1);
  EXPECT_EQ(step.partings.at(0).left, 2U);
  EXPECT_EQ(stage_at(step.dialects[0].step, step.partings.at(0).one_alike), "top_p");
  EXPECT_EQ(stage_at(step.dialects[1].step, step.partings.at(0).other_alike), std::nullopt);
}

TEST(ExplainCompare, TiesAtTheKthValueStayOrGo) {
  const auto step = compared({2, 1, 1, 0}, with("vllm,llamacpp", {"temperature=1", "top_k=2", "min_p=0"}), 0);
  EXPECT_EQ(kept(step, 0), (Ids{0, 1, 2}));
  EXPECT_EQ(kept(step, 1), (Ids{0, 1}));
}

TEST(ExplainCompare, ThePenaltyCountsThePromptOrNot) {
  const std::vector<int32_t> prompt{0};
  sampling::Context context;
  context.tokens = prompt;
  context.prompt_length = 1;
  const auto step = compare_step(std::vector<float>{2, 1}, with("hf,sglang", {"repetition_penalty=1.3"}), {},
                                 2, context, {});
  ASSERT_TRUE(step.ok());
  const auto logit_of_0 = [&](size_t i) {
    return step.value().dialects[i].step.chain.candidates.at(0).after.back()->logit;
  };
  EXPECT_NEAR(logit_of_0(0), 2 / 1.3, 1e-12);
  EXPECT_EQ(logit_of_0(1), 2);
}

TEST(ExplainCompare, RandomStepsAgreeWithTheChainsThemselves) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 3);
  std::uniform_real_distribution<double> unit(0, 1);
  int agreed = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<float> logits(2 + random() % 60);
    for (float& x : logits) x = std::round(normal(random) * 4) / 4;  // ties too
    auto dialects = with("hf,llamacpp,vllm,sglang,exllamav3,pellucid");
    const double top_p = 0.3 + 0.7 * unit(random);
    for (auto& [dialect, settings] : dialects) {
      settings.temperature = 1;
      settings.top_k = static_cast<int32_t>(random() % 3 == 0 ? 0 : 5);
      settings.top_p = top_p;
      settings.min_p = 0;
    }
    const double u = unit(random);
    const ComparedStep step = compared(logits, dialects, u);
    ASSERT_EQ(step.partings.size(), 5U);
    std::vector<std::map<int32_t, double>> ends;
    for (size_t i = 0; i < dialects.size(); ++i) {
      const auto alone = sampling::run_chain(logits, dialects[i].settings);
      ASSERT_TRUE(alone.ok());
      auto& end = ends.emplace_back();
      const sampling::Candidates& left = alone.value().candidates;
      for (size_t rank = 0; rank < left.size(); ++rank) end[left.ids()[rank]] = left.probability(rank);
      EXPECT_EQ(step.dialects[i].step.draw.token, sampling::draw_at(left, u).value().token);
    }
    for (const Parting& parting : step.partings) {
      const auto& one = ends[0];
      const auto& other = ends[parting.other];
      std::set<int32_t> all;
      for (const auto* end : {&one, &other}) {
        for (const auto& [id, p] : *end) all.insert(id);
      }
      double sum = 0;
      for (const int32_t id : all) {
        sum += std::abs((one.contains(id) ? one.at(id) : 0) - (other.contains(id) ? other.at(id) : 0));
      }
      EXPECT_NEAR(parting.distance, sum / 2, 1e-12);
      EXPECT_EQ(parting.agree, sum < 1e-6);
      EXPECT_EQ(parting.one_alone, all.size() - other.size());
      EXPECT_EQ(parting.other_alone, all.size() - one.size());
      agreed += parting.agree ? 1 : 0;
    }
  }
  EXPECT_GT(agreed, 300);  // of 1500: both kinds are there
  EXPECT_LT(agreed, 1200);
}

TEST(ExplainCompare, NoLineIsWiderThanThePage) {
  std::vector<float> logits(5000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = 12 - static_cast<float>(i % 977) / 9;
  for (const char* names : {"hf,llamacpp", "pellucid,hf,llamacpp,llamacpp-mirostat,vllm,sglang,exllamav3"}) {
    const std::string text = compare_text(compared(logits, with(names), 0.93), {});
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 80U) << line;
    EXPECT_NE(text.find(" others "), std::string::npos) << text;
  }
}

TEST(ExplainCompare, TheJsonSaysWhatTheTextSays) {
  const auto json =
      compare_json(compared({3, 2, 1}, with("hf,llamacpp", {"temperature=2", "min_p=0.2"}), 0.75));
  ASSERT_EQ(json.at("dialects").as_array().size(), 2U);
  const auto& hf = json.at("dialects").at(0).as_object();
  EXPECT_EQ(hf.at("name"), "hf");
  EXPECT_EQ(hf.at("engine"), "transformers 5.23");
  EXPECT_EQ(hf.at("settings").at("temperature"), 2.0);
  EXPECT_EQ(hf.at("draw").at("token"), "#1");
  const auto& parting = json.at("partings").at(0).as_object();
  using List = boost::json::array;
  EXPECT_EQ(parting.at("dialects"), (List{"hf", "llamacpp"}));
  EXPECT_EQ(parting.at("agree"), false);
  EXPECT_EQ(parting.at("alike_after"), (List{nullptr, "top_p"}));
  EXPECT_EQ(parting.at("part_at"), (List{"temperature", "min_p"}));
  EXPECT_EQ(parting.at("left"), 3);
  EXPECT_EQ(parting.at("alone"), (List{1, 0}));
}

TEST(ExplainCompare, RefusesNamesThatCannotBeCompared) {
  for (const char* names : {"", "hf", "hf,", ",hf", "hf,hf", "hf,gpt", "hf llamacpp"}) {
    const auto refused = parse_dialects(names);
    ASSERT_FALSE(refused.ok()) << names;
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  }
}

}  // namespace
}  // namespace pellucid::cli
