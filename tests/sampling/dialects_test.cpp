// The points where engines part, worked by hand from their sources.
#include "sampling/dialects.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "sampling/chain.h"

namespace pellucid::sampling {
namespace {

/// How many of the tokens with these probabilities a dialect keeps, with settings "NAME=VALUE ..." on top.
size_t kept(std::string_view dialect, const std::vector<double>& probabilities, std::string_view words) {
  Settings settings = dialect_settings(dialect).value();
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    const size_t equals = word.find('=');
    EXPECT_TRUE(set(settings, word.substr(0, equals), word.substr(equals + 1)).ok()) << word;
    words.remove_prefix(std::min(word.size() + 1, words.size()));
  }
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return run_chain(logits, settings).value().candidates.size();
}

TEST(Dialects, WhatIsOfTheTextStays) {
  Settings before;
  ASSERT_TRUE(set(before, "ban_phrases", "as an AI").ok());
  ASSERT_TRUE(set(before, "logit_bias", "5=-inf").ok());
  before.temperature = 0.3;
  const Settings after = dialect_settings("hf", before).value();
  EXPECT_EQ(after.ban_phrases, before.ban_phrases);
  EXPECT_EQ(after.logit_bias, before.logit_bias);
  EXPECT_EQ(after.temperature, Settings().temperature);
  before.forced_tokens = {4};
  EXPECT_EQ(dialect_settings("vllm", before).error().message(),
            "setting order: it leaves out forced_tokens, the stage of forced_tokens");
}

TEST(Dialects, ASettingWithoutItsStageIsNoticed) {
  Settings settings = dialect_settings("hf").value();
  settings.xtc_probability = 0.5;
  EXPECT_EQ(check_heeded(settings, "xtc_probability").error().message(),
            "setting order: it leaves out xtc, the stage of xtc_probability");
  settings.xtc_probability = 0;
  EXPECT_TRUE(check_heeded(settings, "xtc_probability").ok());
  EXPECT_TRUE(check_heeded(settings, "top_k").ok());
  EXPECT_TRUE(check_heeded(settings, "order").ok());
}

TEST(Dialects, TheTokenThatCrossesTopP) {
  const std::vector<double> p{0.5, 0.3, 0.2};
  for (const char* keeps : {"pellucid", "hf", "llamacpp", "vllm"}) {
    EXPECT_EQ(kept(keeps, p, "top_p=0.7 temperature=1"), 2U) << keeps;
    EXPECT_EQ(kept(keeps, p, "top_p=0.8 temperature=1"), 2U) << keeps;
  }
  EXPECT_EQ(kept("exllamav3", p, "top_p=0.7"), 1U);
  EXPECT_EQ(kept("sglang", p, "top_p=0.7"), 2U);
  EXPECT_EQ(kept("sglang", p, "top_p=0.8"), 3U);
}

TEST(Dialects, TopPAfterTopKOrJointly) {
  const std::vector<double> p{0.4, 0.3, 0.2, 0.1};
  for (const char* renormalises : {"pellucid", "hf", "llamacpp", "vllm"}) {
    EXPECT_EQ(kept(renormalises, p, "top_k=2 top_p=0.55 temperature=1"), 1U) << renormalises;
  }
  EXPECT_EQ(kept("sglang", p, "top_k=2 top_p=0.55"), 2U);
}

TEST(Dialects, TiesAtTopK) {
  const std::vector<double> p{0.4, 0.2, 0.2, 0.2};
  for (const char* all : {"hf", "vllm"}) EXPECT_EQ(kept(all, p, "top_k=2"), 4U) << all;
  for (const char* two : {"pellucid", "llamacpp", "exllamav3"})
    EXPECT_EQ(kept(two, p, "top_k=2 top_p=1"), 2U) << two;
}

TEST(Dialects, MinPBeforeOrAfterTheTemperature) {
  const std::vector<double> p{std::exp(3.0), std::exp(2.0), std::exp(1.0)};
  EXPECT_EQ(kept("llamacpp", p, "min_p=0.2 temperature=2 top_p=1"), 2U);
  for (const char* first : {"pellucid", "hf", "vllm", "sglang", "exllamav3"}) {
    EXPECT_EQ(kept(first, p, "min_p=0.2 temperature=2 top_p=1"), 3U) << first;
  }
}

TEST(Dialects, WhatAPenaltyCounts) {
  const std::vector<float> logits{2, 2, 2};
  std::vector<int32_t> text{0, 1};  // the prompt is 0, the output 1
  Context context;
  context.tokens = text;
  context.prompt_length = 1;
  const auto penalised = [&](std::string_view dialect, const char* name) {
    Settings settings = dialect_settings(dialect).value();
    settings.temperature = 1;
    EXPECT_TRUE(set(settings, name, "1.5").ok());
    std::string ids;
    const std::vector<double> left = run_chain(logits, settings, context).value().candidates.by_id();
    for (size_t id = 0; id < left.size(); ++id) ids += left[id] == 2 ? "" : std::to_string(id);
    return ids;
  };
  for (const char* all : {"pellucid", "hf", "llamacpp", "vllm", "exllamav3"})
    EXPECT_EQ(penalised(all, "repetition_penalty"), "01") << all;
  EXPECT_EQ(penalised("sglang", "repetition_penalty"), "1");
  for (const char* output : {"pellucid", "vllm", "sglang"}) {
    EXPECT_EQ(penalised(output, "presence_penalty"), "1") << output;
  }
  EXPECT_EQ(penalised("llamacpp", "presence_penalty"), "01");
}

TEST(Dialects, AllAreGoodSettingsAndOthersAreRefused) {
  for (const Dialect& dialect : dialects()) {
    const auto settings = dialect_settings(dialect.name);
    ASSERT_TRUE(settings.ok()) << settings.error().message();
    EXPECT_TRUE(check(settings.value()).ok());
  }
  EXPECT_EQ(dialect_settings("pellucid").value(), Settings{});
  EXPECT_NE(dialect_settings("hg").error().message().find("hf"), std::string::npos);
}

}  // namespace
}  // namespace pellucid::sampling
