#include "sampling/settings.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "fuzz_bytes.h"
#include "sampling/chain.h"
#include "sampling/dialects.h"
#include "sampling/registry.h"

namespace pellucid::sampling {
namespace {

TEST(Settings, BadValuesAreRefusedWithNameValueAndRange) {
  const auto refused = [](std::string_view name, std::string_view text) {
    Settings settings;
    const Result<void> status = set(settings, name, text);
    const Result<void> checked = status.ok() ? check(settings) : status;
    EXPECT_FALSE(checked.ok()) << name << " = " << text;
    if (checked.ok()) return;
    EXPECT_EQ(checked.error().code, ErrorCode::kUsage);
    EXPECT_NE(checked.error().message().find(name), std::string::npos) << checked.error().message();
    EXPECT_EQ(checked.error().message().find('\n'), std::string::npos);
  };
  for (const char* text : {"nan", "-nan", "inf", "-inf", "-0.1", "1e400", "", "x", "1x", "0x10 "})
    refused("temperature", text);
  for (const char* text : {"nan", "1.0001", "-0.5", "2", "inf"}) refused("top_p", text);
  for (const char* text : {"-1", "1.5", "99999999999", "nan", ""}) refused("top_k", text);
  for (const char* text : {"top_q", "top_k,top_k", ",", "temperature;top_k"}) refused("order", text);
}

TEST(Settings, WhatAnErrorQuotesIsOneShortLine) {
  const std::string hostile = "7\n\x1b[31m\xff\u2028" + std::string(10'000, 'x');
  const auto expect_proper = [](const Result<void>& status) {
    ASSERT_FALSE(status.ok());
    EXPECT_TRUE(pellucid::test::proper(status.error(), {ErrorCode::kUsage})) << status.error().message();
    EXPECT_LT(status.error().message().size(), 600U);
    EXPECT_EQ(status.error().message().find('\xff'), std::string::npos);
  };
  for (const StageRow& stage : stages()) {
    for (const SettingRow& setting : stage.settings) {
      Settings settings;
      const Result<void> status = set(settings, setting.name, hostile);
      if (!status.ok()) expect_proper(status);  // any text may be a grammar, or a stop
    }
  }
  Settings settings;
  expect_proper(set(settings, "temperature", hostile));
  expect_proper(set(settings, "order", hostile));
  expect_proper(set(settings, hostile, "1"));
  const Result<Dialect> dialect = find_dialect(hostile);
  expect_proper(dialect.ok() ? Result<void>() : dialect.error());
}

TEST(Settings, AnUnknownNameIsNamed) {
  Settings settings;
  const Result<void> status = set(settings, "topk_", "1");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message().find("topk_"), std::string::npos);
}

TEST(Settings, PrintsWhatReadsBack) {
  Settings settings;
  settings.temperature = 0.1 + 0.2;
  settings.top_k = 17;
  settings.top_p = 1.0 / 3;
  settings.order = {StageId::kTopP, StageId::kTopK};
  Settings again;
  std::string text = to_string(settings);
  for (size_t at = 0; at < text.size();) {
    const size_t equals = text.find('=', at);
    const size_t end = std::min(text.find(' ', at), text.size());
    ASSERT_TRUE(set(again, text.substr(at, equals - at), text.substr(equals + 1, end - equals - 1)).ok());
    at = end + 1;
  }
  EXPECT_EQ(again, settings);
}

TEST(Settings, GreedyIsTemperatureZeroOrTopKOne) {
  Settings settings;
  EXPECT_FALSE(greedy(settings));
  settings.temperature = 0;
  EXPECT_TRUE(greedy(settings));
  settings = {};
  settings.top_k = 1;
  EXPECT_TRUE(greedy(settings));
}

TEST(Settings, AnyObjectIsRefusedOrRuns) {
  std::mt19937_64 random(31);
  const double numbers[] = {0,     -0.0, 1,   0.5,      1e-320,    1e-30, 1e30,
                            1e308, -1,   NAN, INFINITY, -INFINITY, 2,     0.999999};
  const int32_t integers[] = {
      0, 1, 2, 50, -1, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()};
  const std::vector<float> row{
      0.5F, 3, -2, 3, -std::numeric_limits<float>::max(), std::numeric_limits<float>::max()};
  int ran = 0;
  for (int i = 0; i < 20000; ++i) {
    Settings settings;
    settings.temperature = numbers[random() % 14];
    settings.top_p = numbers[random() % 14];
    settings.top_k = integers[random() % 7];
    settings.order.clear();
    for (uint64_t n = random() % 4; n > 0; --n) settings.order.push_back(static_cast<StageId>(random() % 3));
    const auto chain = run_chain(row, settings);
    if (!chain.ok()) {
      EXPECT_FALSE(chain.error().message().empty());
      continue;
    }
    ++ran;
    const Candidates& left = chain.value().candidates;
    for (size_t rank = 0; rank < left.size(); ++rank) ASSERT_GE(left.probability(rank), 0.0);
  }
  EXPECT_GT(ran, 1000);
}

}  // namespace
}  // namespace pellucid::sampling
