// Guides beside brute force: a token may come next where the text with it is the beginning of a text that the
// list of all texts holds, and the list is made without the guide.
#include "bridge/guide.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <regex>
#include <set>

#include "guide_support.h"

namespace pellucid::bridge {
namespace {

using Texts = std::set<std::string>;

bool begins_one(const Texts& texts, const std::string& beginning) {
  const auto next = texts.lower_bound(beginning);
  return next != texts.end() && next->starts_with(beginning);
}

/// All texts over `letters` up to a length that match, by std::regex.
Texts matching(const std::string& pattern, const std::string& letters, size_t longest) {
  const std::regex compiled(pattern);
  Texts texts;
  const std::function<void(const std::string&)> grow = [&](const std::string& text) {
    if (std::regex_match(text, compiled)) texts.insert(text);
    if (text.size() == longest) return;
    for (const char letter : letters) grow(text + letter);
  };
  grow("");
  return texts;
}

Guide guide_of(GuideKind kind, const std::vector<std::string>& sources) {
  static const GuideVocabulary vocabulary = vocabulary_of(small_tokens());
  auto guide = Guide::compile(vocabulary, kind, sources);
  EXPECT_TRUE(guide.ok()) << sources.front() << ": " << (guide.ok() ? "" : guide.error().message());
  return std::move(guide).value();
}

/// Walks at random, as long as texts are no longer than `longest`, and compares every mask on the way.
void compare(const Guide& start, const Texts& texts, size_t longest, const std::string& what) {
  const std::vector<std::string> tokens = small_tokens();
  const auto end = static_cast<size_t>(end_of(tokens));
  std::mt19937 random(7);
  for (int walk = 0; walk < 40; ++walk) {
    Guide guide = start;
    std::string text;
    while (true) {
      const auto allowed = guide.allowed();
      ASSERT_TRUE(allowed.ok()) << what << " after '" << text << "': " << allowed.error().message();
      std::vector<size_t> next;
      for (size_t token = 0; token < tokens.size(); ++token) {
        const std::string& bytes = tokens[token];
        if (text.size() + bytes.size() > longest) continue;
        const bool expected =
            token == end ? texts.contains(text) : !bytes.empty() && begins_one(texts, text + bytes);
        ASSERT_EQ(holds(allowed.value(), token), expected)
            << what << ": '" << bytes << "' (" << token << ") after '" << text << "'";
        if (expected) next.push_back(token);
      }
      if (next.empty()) break;
      const size_t token = next[random() % next.size()];
      ASSERT_TRUE(guide.take(static_cast<int32_t>(token)).ok());
      if (token == end) break;
      text += tokens[token];
      const bool can_go_on = std::ranges::any_of(
          texts, [&](const std::string& one) { return one.size() > text.size() && one.starts_with(text); });
      ASSERT_EQ(guide.ended(), texts.contains(text) && !can_go_on) << what << " after '" << text << "'";
    }
  }
}

TEST(Guide, PatternsAllowWhatCanStillMatch) {
  // Every beginning of up to 4 letters can be ended within 8.
  for (const char* pattern :
       {"(ab|ba)*", "a{2,5}b?", "(a|b)+1", "a*b*1*", "[ab]{3}", "(aa|ab|b)(1|12)?", "a(b(1(2|a))?)?",
        "1?2?a?b?", "(1|2|a){0,8}", "b[ab1]{0,4}", "((a|b)(1|2)){1,4}"}) {
    compare(guide_of(GuideKind::kRegex, {pattern}), matching(pattern, "ab12", 8), 4, pattern);
  }
}

TEST(Guide, ChoicesAreTheTextsThemselves) {
  for (const std::vector<std::string>& choices : std::vector<std::vector<std::string>>{
           {"a"},
           {"a", "ab", "abab", "ba"},
           {"yes", "no", "no!"},
           {"\"a\"", "{\"a", "C:\\n", "a b\n", "\xC3\xA9t\xC3\xA9", "\xC3\xA9"},
           {"true", "true"}}) {
    compare(guide_of(GuideKind::kChoice, choices), Texts(choices.begin(), choices.end()), 100, choices[0]);
  }
}

TEST(Guide, SchemasOfFewTexts) {
  compare(guide_of(GuideKind::kJsonSchema, {R"({"enum": ["ab", true, null, 12, "a\"b"]})"}),
          {"\"ab\"", "true", "null", "12", "\"a\\\"b\""}, 100, "enum");
  compare(guide_of(GuideKind::kJsonSchema, {R"({"type": "boolean"})"}), {"true", "false"}, 100, "boolean");
  Texts numbers;
  for (int i = -12; i <= 21; ++i) numbers.insert(std::to_string(i));
  numbers.insert("-0");
  compare(guide_of(GuideKind::kJsonSchema, {R"({"type": "integer", "minimum": -12, "maximum": 21})"}),
          numbers, 100, "integer");
  // White space: none, one space, or a line break and its indent.
  Texts lists;
  for (const char* open : {"", " "}) {
    for (const char* close : {"", " "}) {
      lists.insert(std::string("[") + open + "1" + close + "]");
      for (const char* before : {"", " "}) {
        for (const char* after : {"", " "}) {
          lists.insert(std::string("[") + open + "1" + before + "," + after + "1" + close + "]");
        }
      }
    }
  }
  Guide guide = guide_of(GuideKind::kJsonSchema, {R"({"type": "array", "items": {"const": 1}, "minItems": 1,
    "maxItems": 2, "x-guidance": {"whitespace_pattern": " "}})"});
  compare(guide, lists, 100, "list");
}

TEST(Guide, GrammarsNest) {
  Texts balanced;
  const std::function<void(const std::string&, int)> grow = [&](const std::string& text, int open) {
    if (text.size() > 8) return;
    if (open == 0 && !text.empty()) balanced.insert(text);
    grow(text + "(", open + 1);
    if (open > 0) grow(text + ")", open - 1);
  };
  grow("", 0);
  compare(guide_of(GuideKind::kGrammar, {"start: pair+\npair: \"(\" pair* \")\""}), balanced, 4, "pairs");
}

TEST(Guide, AGrammarMayAskForATokenThatIsNotText) {
  Guide guide = guide_of(GuideKind::kGrammar, {"start: <|im_start|> \"a\""});
  const std::vector<std::string> tokens = small_tokens();
  for (size_t token = 0; token < tokens.size(); ++token) {
    EXPECT_EQ(holds(guide.allowed().value(), token), tokens[token] == "\xFF<|im_start|>") << token;
  }
  EXPECT_TRUE(guide.take(end_of(tokens) - 1).ok());
  EXPECT_TRUE(guide.take('a' - ' ').ok());
  EXPECT_TRUE(guide.ended());
}

TEST(Guide, ACopyGoesOnByItself) {
  Guide guide = guide_of(GuideKind::kRegex, {"(ab)+1"});
  ASSERT_TRUE(guide.take('a' - ' ').ok());
  const Guide kept = guide;
  ASSERT_TRUE(guide.take('b' - ' ').ok());
  ASSERT_TRUE(guide.take('1' - ' ').ok());
  EXPECT_TRUE(guide.ended());
  Guide other = kept;
  EXPECT_FALSE(other.ended());
  EXPECT_EQ(other.allowed().value(), Guide(kept).allowed().value());
  EXPECT_TRUE(holds(other.allowed().value(), 'b' - ' '));
  other = guide;
  EXPECT_TRUE(other.ended());
}

TEST(Guide, ATokenThatIsNotAllowedChangesNothing) {
  Guide guide = guide_of(GuideKind::kChoice, {"ab", "ba"});
  const auto before = guide.allowed().value();
  for (const int32_t token : {'1' - ' ', end_of(small_tokens()), -1, 100000, 'b' - ' ' + 32}) {
    const auto taken = guide.take(token);
    ASSERT_FALSE(taken.ok()) << token;
    EXPECT_EQ(taken.error().code, ErrorCode::kUsage);
    EXPECT_EQ(guide.allowed().value(), before) << token;
  }
  ASSERT_TRUE(guide.take('a' - ' ').ok());
  ASSERT_TRUE(guide.take('b' - ' ').ok());
  EXPECT_TRUE(guide.ended());
  const auto end = guide.allowed().value();
  for (size_t token = 0; token < small_tokens().size(); ++token) {
    EXPECT_EQ(holds(end, token), token == static_cast<size_t>(end_of(small_tokens())));
  }
  EXPECT_FALSE(guide.take('a' - ' ').ok());
}

TEST(Guide, SourcesThatAreWrongSayWhy) {
  const GuideVocabulary vocabulary = vocabulary_of(small_tokens());
  struct Case {
    GuideKind kind;
    std::vector<std::string> sources;
    std::string words;
  };
  for (const Case& wrong :
       std::vector<Case>{{GuideKind::kJsonSchema, {"{"}, "no JSON"},
                         {GuideKind::kJsonSchema, {"[]"}, "neither an object"},
                         {GuideKind::kJsonSchema, {"false"}, "neither an object"},
                         {GuideKind::kJsonSchema, {R"({"type": "strin"})"}, "strin"},
                         {GuideKind::kJsonSchema, {R"({"type": "integer", "minimum": 2, "maximum": 1})"}, ""},
                         {GuideKind::kJsonSchema, {R"({"$ref": "#/$defs/none"})"}, "none"},
                         {GuideKind::kJsonSchema, {R"({"$ref": "https://localhost/x.json"})"}, "ref"},
                         {GuideKind::kRegex, {"(a"}, "pattern: unclosed group"},
                         {GuideKind::kRegex, {"a\\"}, "backslash"},
                         {GuideKind::kRegex, {"a\xFF"}, "UTF-8"},
                         {GuideKind::kGrammar, {"start: b"}, "at 1(8): unknown name"},
                         {GuideKind::kGrammar, {"a: \"b\""}, "start"},
                         {GuideKind::kGrammar, {"start: <|nobody|>"}, "nobody"},
                         {GuideKind::kGrammar, {""}, ""},
                         {GuideKind::kGrammar, {}, "not one"},
                         {GuideKind::kChoice, {}, "nothing"}}) {
    const auto guide = Guide::compile(vocabulary, wrong.kind, wrong.sources);
    const std::string source = wrong.sources.empty() ? "" : wrong.sources.front();
    ASSERT_FALSE(guide.ok()) << source;
    const std::string message = guide.error().message();
    EXPECT_EQ(guide.error().code, ErrorCode::kUsage) << source << ": " << message;
    EXPECT_NE(message.find(wrong.words), std::string::npos) << source << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_GT(guide.error().why.size(), 5U) << source;
    std::printf("%s -> %s\n", source.c_str(), message.c_str());
  }
}

}  // namespace
}  // namespace pellucid::bridge
