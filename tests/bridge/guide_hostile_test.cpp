// Schemas, patterns and grammars come from whoever asks for a text, so here are hostile ones: each ends soon
// and in little memory, as a guide or as an error.
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "guide_support.h"
#include "resources.h"

namespace pellucid::bridge {
namespace {

using test::cpu_seconds;
using test::repeat;
using test::status_kilobytes;

// Bounds of one source, and of 20 tokens that follow it. The margin is for a busy machine.
constexpr double kMostSeconds = 2;
constexpr long kMostKilobytes = 256 * 1024;

/// f(0) + f(1) + ... + f(n - 1).
std::string joined(size_t n, const std::function<std::string(size_t)>& f) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += f(i);
  return out;
}

const GuideVocabulary& vocabulary() {
  static const GuideVocabulary made = vocabulary_of(small_tokens());
  return made;
}

/// Compiles it, and follows it with the allowed token that has the highest id below the last.
std::string outcome(GuideKind kind, const std::string& source) {
  auto guide = Guide::compile(vocabulary(), kind, std::vector{source});
  if (!guide.ok()) return guide.error().message();
  for (int i = 0; i < 20; ++i) {
    const auto allowed = guide.value().allowed();
    if (!allowed.ok()) return allowed.error().message();
    size_t token = vocabulary().size() - 2;
    while (token > 0 && !holds(allowed.value(), token)) --token;
    if (token == 0) break;
    const auto taken = guide.value().take(static_cast<int32_t>(token));
    if (!taken.ok()) return taken.error().message();
  }
  return "a guide";
}

void expect_bounded(GuideKind kind, const std::string& name, const std::string& source) {
  std::ofstream("/proc/self/clear_refs") << "5";  // the high-water mark starts again here
  const long before = status_kilobytes("VmRSS:");
  const double start = cpu_seconds();
  const std::string ended = outcome(kind, source);
  const double seconds = cpu_seconds() - start;
  const long kilobytes = status_kilobytes("VmHWM:") - before;
  EXPECT_LT(seconds, kMostSeconds) << name;
  EXPECT_LT(kilobytes, kMostKilobytes) << name;
  EXPECT_EQ(ended.find('\n'), std::string::npos) << ended;
  std::fprintf(stderr, "%-28s %7.3f s %8ld KiB  %s\n", name.c_str(), seconds, kilobytes,
               ended.substr(0, 150).c_str());
}

TEST(GuideHostile, Patterns) {
  const auto bounded = [](const std::string& name, const std::string& source) {
    expect_bounded(GuideKind::kRegex, name, source);
  };
  bounded("nested 60000", repeat("(", 60000) + "a" + repeat(")", 60000));
  bounded("nested 240", repeat("(", 240) + "a" + repeat(")", 240));
  bounded("open 500000", repeat("(", 500000));
  bounded("stars", "a" + repeat("*", 10000));
  bounded("nested stars", repeat("(", 200) + "a" + repeat(")*", 200));
  bounded("repeats", repeat("(", 10) + "a" + repeat("{1,1000}){1,1000}", 10));
  bounded("a million", "a{1000000}");
  bounded("a thousand thousand", "(a{1000}){1000}");
  bounded("optional chain", repeat("a?", 5000) + repeat("a", 5000));
  bounded("all but long", "(a|b)*a(a|b){30}");
  bounded("state explosion", "(.*a.{20}|.*b.{21}|.*c.{22})*");
  bounded("and so on", ".*(.*(.*(.*(.*a.{9}b).{9}c).{9}d).{9}e).{9}f");
  bounded("unicode", "\\w{200}\\d{200}\\s{200}");
  bounded("classes", repeat("[\\w\\s\\S]", 20000));
  bounded("alternatives", joined(50000, [](size_t i) { return std::to_string(i * 7919) + "|"; }) + "a");
  bounded("a foo**", "foo**");
  bounded("a megabyte", repeat("a", 1 << 20));
  bounded("more than that", repeat("a", (1 << 20) + 1));
}

TEST(GuideHostile, Schemas) {
  const auto bounded = [](const std::string& name, const std::string& source) {
    expect_bounded(GuideKind::kJsonSchema, name, source);
  };
  const auto nested = [](size_t n) {
    return repeat(R"({"type":"object","properties":{"a":)", n) + "true" + repeat("}}", n);
  };
  bounded("nested 100", nested(30));
  bounded("nested 100000", nested(25000));
  bounded("lists 100000", repeat("[", 100000) + repeat("]", 100000));
  bounded("anyOf of anyOf", repeat(R"({"anyOf":[{"type":"null"},)", 60) + "true" + repeat("]}", 60));
  bounded("allOf of anyOf", R"({"allOf":[)" + joined(20, [](size_t i) {
                              return (i == 0 ? "" : ",") + std::string(R"({"anyOf":[{"properties":{"a)") +
                                     std::to_string(i) + R"(":{"type":"string"}}},{"properties":{"b)" +
                                     std::to_string(i) + R"(":{"type":"number"}}},{"required":["c"]}]})";
                            }) + "]}");
  bounded("refs double", R"({"$defs":{)" + joined(40, [](size_t i) {
                           const std::string next = R"({"$ref":"#/$defs/d)" + std::to_string(i + 1) + "\"}";
                           return R"("d)" + std::to_string(i) + R"(":{"allOf":[)" + next + "," + next + "]},";
                         }) + R"("d40":{"type":"string"}},"$ref":"#/$defs/d0"})");
  bounded("refs fan out", R"({"$defs":{)" + joined(40, [](size_t i) {
                            const std::string next = R"({"$ref":"#/$defs/d)" + std::to_string(i + 1) + "\"}";
                            return R"("d)" + std::to_string(i) + R"(":{"properties":{"a":)" + next +
                                   R"(,"b":)" + next + "}},";
                          }) + R"("d40":{"type":"string"}},"$ref":"#/$defs/d0"})");
  bounded("ref to itself", R"({"$ref":"#"})");
  bounded("ref in a circle",
          R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})");
  bounded("a million items", R"({"type":"array","minItems":1000000,"items":{"type":"integer"}})");
  bounded("items 0 to 10000",
          R"({"type":"array","maxItems":10000,"items":{"type":"array","maxItems":10000}})");
  bounded("a long string", R"({"type":"string","minLength":1000000,"maxLength":2000000})");
  bounded("a string of 10000", R"({"type":"string","maxLength":10000})");
  bounded("multiples", R"({"type":"number","multipleOf":0.0000001,"minimum":1e-30,"maximum":1e300})");
  bounded("large multiple", R"({"type":"integer","multipleOf":999999937})");
  bounded("10000 properties", R"({"type":"object","properties":{)" + joined(10000, [](size_t i) {
                                return (i == 0 ? "" : ",") + std::string("\"p") + std::to_string(i) +
                                       R"(":{"type":"string"})";
                              }) + "}}");
  bounded("20000 of an enum", R"({"enum":[)" + joined(20000, [](size_t i) {
                                return (i == 0 ? "" : ",") + std::string("\"e") + std::to_string(i * 7919) +
                                       "\"";
                              }) + "]}");
  bounded("pattern", R"({"type":"string","pattern":"^(.*a.{20}|.*b.{21})*$"})");
  bounded("pattern nested",
          R"({"type":"string","pattern":")" + repeat("(", 20000) + "a" + repeat(")", 20000) + "\"}");
  bounded("patterns meet", R"({"allOf":[)" + joined(20, [](size_t i) {
                             return (i == 0 ? "" : ",") + std::string(R"({"type":"string","pattern":"a.{)") +
                                    std::to_string(i) + R"(}b(.*c)?"})";
                           }) + "]}");
  bounded("patternProperties", R"({"patternProperties":{)" + joined(50, [](size_t i) {
                                 return (i == 0 ? "" : ",") + std::string("\"(a|b)*a(a|b){") +
                                        std::to_string(i) + R"(}":{"type":"null"})";
                               }) + "}}");
  bounded("one of many", R"({"oneOf":[)" + joined(300, [](size_t i) {
                           return (i == 0 ? "" : ",") +
                                  std::string(R"({"properties":{"k":{"type":"string","pattern":".*)") +
                                  std::to_string(i) + R"(.*"}},"required":["k"]})";
                         }) + "]}");
}

TEST(GuideHostile, Grammars) {
  const auto bounded = [](const std::string& name, const std::string& source) {
    expect_bounded(GuideKind::kGrammar, name, source);
  };
  bounded("nested 100000", "start: " + repeat("(", 100000) + "\"a\"" + repeat(")", 100000));
  bounded("nested 500", "start: " + repeat("(", 500) + "\"a\"" + repeat(")", 500));
  bounded("star of star", "start: (\"a\"*)*");
  bounded("left recursion", "start: start start | \"a\" | \"\"");
  bounded("ambiguous", "start: a\na: a a | a a a | \"a\"");
  bounded("empty loops", "start: b | \"a\"\nb: c\nc: b | ");
  bounded("itself", "start: start");
  bounded("a terminal of itself", "start: A\nA: \"a\" A");
  bounded("chain of rules", "start: r0\n" + joined(20000, [](size_t i) {
                              return "r" + std::to_string(i) + ": r" + std::to_string(i + 1) + "\n";
                            }) + "r20000: \"a\"\n");
  bounded("chain of terminals", "start: T0\n" + joined(20000, [](size_t i) {
                                  return "T" + std::to_string(i) + ": \"a\" T" + std::to_string(i + 1) + "\n";
                                }) + "T20000: \"a\"\n");
  bounded("doubling terminals", "start: T0\n" + joined(60, [](size_t i) {
                                  const std::string next = " T" + std::to_string(i + 1);
                                  return "T" + std::to_string(i) + ":" + next + next + "\n";
                                }) + "T60: \"a\"\n");
  bounded("doubling rules", "start: r0\n" + joined(60, [](size_t i) {
                              const std::string next = " r" + std::to_string(i + 1);
                              return "r" + std::to_string(i) + ":" + next + next + "\n";
                            }) + "r60: \"a\" | \"\"\n");
  bounded("repeats", "start: (((\"a\"{1,1000}){1,1000}){1,1000}){1,1000}");
  bounded("repeat of a rule", "start: a{100000}\na: \"a\" | \"b\" a");
  bounded("json in it", "start: %json {" + repeat("\"a\":{", 50000) + repeat("}", 50000) + "}");
  bounded("grammars in it", "start: %lark { " + repeat("start: %lark { ", 2000) + repeat("}", 2001));
  const auto alternatives = [](size_t n) {
    return "start: " + joined(n, [](size_t i) { return "\"" + std::to_string(i) + "\" | "; }) + "\"a\"";
  };
  bounded("many alternatives", alternatives(9999));
  bounded("more alternatives", alternatives(30000));
  bounded("regex and", "start: A\nA: " + joined(30, [](size_t i) {
                         return (i == 0 ? "" : " & ") + std::string("/(a|b)*a(a|b){") + std::to_string(i) +
                                "}/";
                       }));
  bounded("regex not", "start: A\nA: ~(~(~(/.*a.{15}b.*/)))");
}

TEST(GuideHostile, DamagedSourcesAreGuidesOrErrors) {
  const std::vector<std::pair<GuideKind, std::string>> sources{
      {GuideKind::kGrammar,
       "start: a B{1,2} %json {\"enum\": [1]}\na: \"x\" | (\"y\" /z+/)?\nB: /[a-b]/ | \"\\u00e9\"\n"},
      {GuideKind::kRegex, "(?i:a|[^b-c]{1,3})+\\d\\x41\\u{e9}$"},
      {GuideKind::kJsonSchema,
       R"({"type":"object","properties":{"a":{"enum":["x",1]}},"required":["a"],"additionalProperties":false})"}};
  for (const auto& [kind, source] : sources) {
    for (size_t at = 0; at < source.size(); ++at) {
      EXPECT_FALSE(outcome(kind, source.substr(0, at)).empty());
      for (const char byte : {'{', '"', '(', '\0', '\xff', '\n', '|', '9', '\\'}) {
        std::string damaged = source;
        damaged[at] = byte;
        const std::string ended = outcome(kind, damaged);
        EXPECT_EQ(ended.find('\n'), std::string::npos) << ended;
      }
    }
  }
}

TEST(GuideHostile, Vocabularies) {
  const std::vector<std::vector<std::string>> all{{},
                                                  {""},
                                                  {std::string(5000, 'a'), "b"},
                                                  {"a", "a", "a"},
                                                  {std::string("\0", 1), "\xFF", "\xFF[1]", "\xFF<"}};
  for (const auto& tokens : all) {
    const auto made = GuideVocabulary::make(tokens, {});
    if (!made.ok()) continue;
    auto guide = Guide::compile(made.value(), GuideKind::kRegex, std::vector<std::string>{"(?s:.*)"});
    std::printf("%zu tokens: %s\n", tokens.size(), guide.ok() ? "a guide" : guide.error().message().c_str());
    if (guide.ok()) {
      EXPECT_TRUE(guide.value().allowed().ok());
    }
  }
  EXPECT_FALSE(GuideVocabulary::make(std::vector<std::string>{"a"}, std::vector<int32_t>{1}).ok());
  EXPECT_FALSE(GuideVocabulary::make(std::vector<std::string>{"a"}, std::vector<int32_t>{-1}).ok());
}

TEST(GuideHostile, ThreadsMayShareAVocabularyAndCopiesOfAGuide) {
  auto start = Guide::compile(vocabulary(), GuideKind::kJsonSchema, std::vector<std::string>{"true"});
  ASSERT_TRUE(start.ok());
  const auto walk = [](Guide guide) {
    std::vector<uint32_t> all;
    for (int i = 0; i < 50; ++i) {
      const auto allowed = guide.allowed();
      if (!allowed.ok()) return all;
      all.insert(all.end(), allowed.value().begin(), allowed.value().end());
      size_t token = (static_cast<size_t>(i) * 37) % (vocabulary().size() - 1);
      while (!holds(allowed.value(), token)) token = (token + 1) % vocabulary().size();
      if (!guide.take(static_cast<int32_t>(token)).ok()) return all;
    }
    return all;
  };
  const std::vector<uint32_t> alone = walk(start.value());
  std::vector<std::vector<uint32_t>> found(4);
  std::vector<std::thread> threads;
  for (auto& one : found) threads.emplace_back([&] { one = walk(start.value()); });
  for (auto& thread : threads) thread.join();
  for (const auto& one : found) EXPECT_EQ(one, alone);
}

}  // namespace
}  // namespace pellucid::bridge
