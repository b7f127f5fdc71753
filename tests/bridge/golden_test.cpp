// Every template and conversation of tests/golden/templates, byte for byte as transformers renders it
// (scripts/golden_templates.py).
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "bridge/chat_template.h"

namespace pellucid::bridge {
namespace {

const std::string kFolder = std::string(PELLUCID_TEST_DATA) + "/golden/templates/";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string text_of(const boost::json::value& value) { return std::string(value.as_string()); }

std::vector<Message> messages_of(const boost::json::value& list) {
  std::vector<Message> messages;
  for (const auto& message : list.as_array()) {
    messages.push_back({text_of(message.at("role")), text_of(message.at("content"))});
  }
  return messages;
}

std::tm time_of(const std::string& iso) {
  std::tm now{};
  strptime(iso.c_str(), "%Y-%m-%dT%H:%M:%S", &now);
  return now;
}

TEST(ChatTemplate, RendersAsTransformersDoes) {
  const boost::json::value golden = boost::json::parse(read(kFolder + "goldens.json"));
  const std::tm now = time_of(text_of(golden.at("now")));
  size_t compared = 0;
  for (const auto& test : golden.at("cases").as_array()) {
    const std::string name = text_of(test.at("template"));
    const std::string conversation = text_of(test.at("conversation"));
    SCOPED_TRACE(name + ", " + conversation);
    const auto compiled =
        ChatTemplate::compile(read(kFolder + name), text_of(golden.at("bos")), text_of(golden.at("eos")));
    ASSERT_TRUE(compiled.ok()) << compiled.error().message();
    const auto prompt = compiled.value().render(messages_of(golden.at("conversations").at(conversation)),
                                                test.at("add_generation_prompt").as_bool(), &now);
    if (test.as_object().contains("error")) {
      EXPECT_FALSE(prompt.ok()) << prompt.value();
    } else {
      ASSERT_TRUE(prompt.ok()) << prompt.error().message();
      EXPECT_EQ(prompt.value(), text_of(test.at("text")));
    }
    ++compared;
  }
  EXPECT_GE(compared, 500U);
}

TEST(ChatTemplate, RefusalsCarryTheTemplatesWords) {
  const auto compiled = ChatTemplate::compile(read(kFolder + "gemma.jinja"), "<s>", "</s>");
  ASSERT_TRUE(compiled.ok());
  const std::vector<Message> messages{{"system", "x"}, {"user", "y"}};
  const auto prompt = compiled.value().render(messages, true);
  ASSERT_FALSE(prompt.ok());
  EXPECT_EQ(prompt.error().code, ErrorCode::kUsage);
  EXPECT_EQ(prompt.error().why, "line 1: System role not supported");
}

TEST(ChatTemplate, WithoutATimeThePromptDependsOnItsArgumentsOnly) {
  const auto compiled = ChatTemplate::compile(read(kFolder + "llama3.2.jinja"), "<s>", "</s>");
  ASSERT_TRUE(compiled.ok());
  const auto prompt = compiled.value().render(std::vector<Message>{{"user", "y"}}, true);
  ASSERT_TRUE(prompt.ok());
  EXPECT_NE(prompt.value().find("Today Date: 26 Jul 2024"), std::string::npos);
}

TEST(ChatTemplate, NamesTheLineOfAnError) {
  const auto parse = ChatTemplate::compile("one\ntwo\n{% if x %}\n{{ 1 + }}\n", "", "");
  ASSERT_FALSE(parse.ok());
  EXPECT_EQ(parse.error().code, ErrorCode::kBadModel);
  EXPECT_EQ(parse.error().why.rfind("line 4: ", 0), 0U) << parse.error().why;

  const auto compiled =
      ChatTemplate::compile("{%- if true %}\n  x\n{%- endif %}\n\n{{ messages.foo.bar }}\n", "", "");
  ASSERT_TRUE(compiled.ok()) << compiled.error().message();
  const auto prompt = compiled.value().render({}, true);
  ASSERT_FALSE(prompt.ok());
  EXPECT_EQ(prompt.error().code, ErrorCode::kBadModel);
  EXPECT_EQ(prompt.error().why.rfind("line 5: ", 0), 0U) << prompt.error().why;
}

TEST(ChatTemplate, RefusesTextThatIsNotUtf8) {
  EXPECT_FALSE(ChatTemplate::compile("a\xff", "", "").ok());
  EXPECT_FALSE(ChatTemplate::compile("a", "\xc3", "").ok());
  const auto compiled = ChatTemplate::compile("{{ messages[0].content }}", "", "");
  ASSERT_TRUE(compiled.ok());
  const auto prompt = compiled.value().render(std::vector<Message>{{"user", "ab\xed\xa0\x80"}}, true);
  ASSERT_FALSE(prompt.ok());
  EXPECT_EQ(prompt.error().code, ErrorCode::kUsage);
  EXPECT_EQ(prompt.error().why, "a message is not UTF-8 at byte 2");
}

TEST(ChatTemplate, ContentIsNeverReadAsTemplate) {
  const auto compiled = ChatTemplate::compile("{% for m in messages %}{{ m.content }}{% endfor %}", "", "");
  ASSERT_TRUE(compiled.ok());
  const std::string content("{{ 7 * 7 }}{% raw %}{# x #}\0\x01", 29);
  const auto prompt = compiled.value().render(std::vector<Message>{{"user", content}}, true);
  ASSERT_TRUE(prompt.ok());
  EXPECT_EQ(prompt.value(), content);
}

}  // namespace
}  // namespace pellucid::bridge
