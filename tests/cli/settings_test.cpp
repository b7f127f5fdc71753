// Settings as JSON, there and back; what is refused; and that the documentation is that of the code.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "cli/settings_schema.h"
#include "sampling/dialects.h"
#include "sampling/registry.h"
#include "trace/settings_json.h"

namespace pellucid::cli {
namespace {

namespace json = boost::json;
using trace::settings_from_json;
using trace::settings_json;

sampling::Settings unusual() {
  sampling::Settings s;
  s.temperature = 0.1 + 0.2;
  s.top_k = 7;
  s.top_k_ties = sampling::TopKTies::kKeep;
  s.penalty_scope = sampling::Scope::kAll;
  s.logit_bias = {{{15}, -1.5}, {{4, 5}, -INFINITY}, {{0}, 1e-7}};
  s.bad_words = {{1, 2, 3}, {4}};
  s.suppress_tokens = {9, 8};
  s.dry_breakers = {"\n", "a b", ",", "\\", "\xc3\xa9\t"};
  s.order = {sampling::StageId::kTopP, sampling::StageId::kXtc};
  return s;
}

TEST(SettingsJson, ComesBackTheSame) {
  for (const sampling::Settings& settings : {sampling::Settings{}, unusual()}) {
    const std::string text = json::serialize(settings_json(settings));
    const auto again = settings_from_json(json::parse(text).as_object(), {});
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again.value(), settings) << text;
  }
}

TEST(SettingsJson, TheCommandLinesFormsCount) {
  const json::object object{{"top-k", "12"},
                            {"temp", 2},
                            {"repeat_penalty", 1.25},
                            {"logit_bias", {{"7", -100}}},
                            {"suppress_tokens", "1,2"},
                            {"samplers", "top_k,temperature"}};
  const auto settings = settings_from_json(object, {});
  ASSERT_TRUE(settings.ok()) << settings.error().message();
  EXPECT_EQ(settings.value().top_k, 12);
  EXPECT_EQ(settings.value().temperature, 2);
  EXPECT_EQ(settings.value().repetition_penalty, 1.25);
  EXPECT_EQ(settings.value().logit_bias, (std::vector<sampling::SequenceBias>{{{7}, -100}}));
  EXPECT_EQ(settings.value().suppress_tokens, (sampling::TokenIds{1, 2}));
  EXPECT_EQ(sampling::order_text(settings.value().order), "top_k,temperature");
}

TEST(SettingsJson, WhatIsWrongIsRefusedByName) {
  for (const char* text : {R"({"top_k": 1.5})",
                           R"({"top_k": null})",
                           R"({"top_k": -1})",
                           R"({"top_k": 1e99})",
                           R"({"top_k": [1, 2]})",
                           R"({"top_p": 1.01})",
                           R"({"top_p": true})",
                           R"({"top_p": {}})",
                           R"({"top_k_ties": "perhaps"})",
                           R"({"suppress_tokens": [-1]})",
                           R"({"suppress_tokens": [1.5]})",
                           R"({"suppress_tokens": {"1": 2}})",
                           R"({"bad_words": [[]]})",
                           R"({"bad_words": [["x"]]})",
                           R"({"logit_bias": {"x": 1}})",
                           R"({"logit_bias": {"1": "x"}})",
                           R"({"logit_bias": {"1": 1e300}})",
                           R"({"logit_bias": [1]})",
                           R"({"dry_breakers": [""]})",
                           R"({"order": ["top_k", "top_k"]})",
                           R"({"order": ["x"]})",
                           R"({"nothing": 1})"}) {
    const json::object object = json::parse(text).as_object();
    const auto settings = settings_from_json(object, {});
    ASSERT_FALSE(settings.ok()) << text;
    EXPECT_EQ(settings.error().code, ErrorCode::kUsage);
    EXPECT_NE(settings.error().message().find(std::string_view(object.begin()->key())), std::string::npos)
        << settings.error().message();
  }
}

TEST(SettingsSchema, DocumentsEverySettingThereIs) {
  std::ostringstream docs;
  docs << std::ifstream(PELLUCID_TEST_DATA "/../docs/settings.md").rdbuf();
  EXPECT_EQ(docs.str(), settings_markdown()) << "run: pellucid settings > docs/settings.md";
  const json::object schema = settings_schema();
  size_t settings = 0;
  for (const json::value& stage : schema.at("stages").as_array()) {
    settings += stage.at("settings").as_array().size();
    EXPECT_NE(docs.str().find(std::string(stage.at("name").as_string())), std::string::npos);
  }
  EXPECT_EQ(settings + 1, settings_json({}).size());  // and the order
  EXPECT_EQ(schema.at("dialects").as_array().size(), sampling::dialects().size());
}

TEST(SettingsSchema, NoNameMeansTwoThings) {
  std::vector<std::string_view> names{"order", "samplers", "dialect", "seed"};
  for (const sampling::StageRow& stage : sampling::stages()) {
    for (const sampling::SettingRow& row : stage.settings) {
      names.push_back(row.name);
      for (const std::string_view alias : row.aliases) {
        if (!alias.empty()) names.push_back(alias);
      }
    }
    EXPECT_EQ(&sampling::row(stage.id), &stage);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace pellucid::cli
