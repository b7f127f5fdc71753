// Traces as files: what is written is read, and what is wrong is refused with its line.
#include "trace/reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "base/xxh64.h"
#include "trace/json_text.h"
#include "trace/sample_trace.h"

namespace pellucid::trace {
namespace {

namespace json = boost::json;

TEST(Xxh64, GivesTheDigestsOfTheReferenceImplementation) {
  // By the Python package xxhash 4.1.0, of the first n bytes of (37 i + 11) mod 256.
  const std::vector<std::pair<size_t, uint64_t>> digests{
      {0, 0xef46db3751d8e999},   {1, 0xf592c0c7639c4cb6},  {3, 0x22c08528601d4f27},
      {4, 0xfb1e5cf2f1ae4d95},   {5, 0x9d213eca1f68f273},  {7, 0x5613ac510496c04e},
      {8, 0x57cb2b7521f3e21a},   {12, 0x2f53b00266039e64}, {15, 0x90a9714eb00e8d29},
      {31, 0xe4a0e629e519a4ae},  {32, 0xcc6b8aaada790b2d}, {33, 0x35ec49850475a832},
      {63, 0xbf9f0ba3cf95b28a},  {64, 0x155ccce4bf32befc}, {100, 0x4826e367566ea023},
      {200, 0x2f074b6dd9094e34},
  };
  std::vector<std::byte> bytes(200);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37 + 11);
  for (const auto& [n, digest] : digests) EXPECT_EQ(xxh64(std::span(bytes).first(n)), digest) << n;
}

TEST(JsonText, NumbersReadBackToTheBit) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t bits = random();
    double number = std::ldexp(static_cast<double>(bits >> 11), -53);
    if (i % 2 == 0) std::memcpy(&number, &bits, sizeof(number));
    if (!std::isfinite(number)) continue;
    const std::string text = json::serialize(json::value(number));
    const auto read = parse_json(text);
    ASSERT_TRUE(read.ok()) << text;
    ASSERT_EQ(read.value().as_double(), number) << text;
    ASSERT_EQ(read.value().as_double(), std::strtod(text.c_str(), nullptr)) << text;
  }
}

TEST(JsonText, WhatIsNoJsonIsRefused) {
  for (const char* text :
       {"", "{", "{}x", "[1,2", "1e999", "nul", "\"a", "NaN", "\"\xFF\"", "01", "{\"a\" 1}"}) {
    EXPECT_FALSE(parse_json(text).ok()) << text;
  }
  EXPECT_FALSE(parse_json(std::string(100000, '[')).ok());
  EXPECT_EQ(json::serialize(parse_json(R"( {"a":[1,-2,18446744073709551615,"\u00e9",true,null]} )").value()),
            R"({"a":[1,-2,18446744073709551615,"é",true,null]})");
}

TEST(Reader, ReadsWhatIsWritten) {
  const std::vector<std::string> lines = test::lines_of(test::sample_trace());
  const auto read = test::read(lines);
  ASSERT_TRUE(read.ok()) << read.error().message();
  const Trace& trace = read.value();
  EXPECT_EQ(test::lines_of(trace), lines);
  ASSERT_EQ(trace.branches.size(), 2U);
  EXPECT_EQ(trace.branches[0].options.seed, 0xFFFFFFFFFFFFFFFF);
  EXPECT_EQ(trace.branches[0].steps[1].piece, "\xC3");
  EXPECT_EQ(trace.branches[0].steps[1].state.mirostat_mu, 9.824023684587937);
  EXPECT_EQ(trace.branches[1].options.begun.take, std::vector<int32_t>{4});
  EXPECT_TRUE(trace.branches[0].end && !trace.branches[1].end);
  EXPECT_EQ(tokens_of(trace, 1), (std::vector<int32_t>{1, 2, 3, 4, 5}));
}

TEST(Reader, APathGoesThroughItsAncestors) {
  Trace trace = test::sample_trace();
  Branch grandchild = trace.branches[1];
  grandchild.id = 2;
  grandchild.parent = 1;
  grandchild.at = 2;
  grandchild.steps = {test::sample_step(2)};
  Branch early = grandchild;  // leaves before its parent did: by way of the main text
  early.id = 3;
  early.at = 0;
  early.steps = {test::sample_step(0)};
  trace.branches.push_back(grandchild);
  trace.branches.push_back(early);
  const auto path = path_of(trace, 2);
  ASSERT_EQ(path.size(), 3U);
  EXPECT_EQ(path[0].branch->id, 0);
  EXPECT_EQ(path[1].branch->id, 1);
  EXPECT_EQ(path[2].branch->id, 2);
  EXPECT_EQ(path_of(trace, 3).size(), 1U);
  EXPECT_EQ(path_of(trace, 3)[0].branch->id, 3);
}

TEST(Reader, LaterVersionsMayAddButNotChange) {
  std::vector<std::string> lines = test::lines_of(test::sample_trace());
  for (std::string& line : lines) line.insert(1, R"("new_field":[{"a":1}],)");
  lines.insert(lines.begin() + 2, R"({"record":"of a kind to come","branch":99})");
  const auto with = [&lines](const std::string& from, const std::string& to) {
    std::vector<std::string> changed = lines;
    const size_t at = changed[0].find(from);
    EXPECT_NE(at, std::string::npos) << from;
    changed[0].replace(at, from.size(), to);
    return test::read(changed);
  };
  EXPECT_TRUE(test::read(lines).ok());
  EXPECT_TRUE(with(R"("version":"1.1")", R"("version":"1.17")").ok());
  const auto newer = with(R"("version":"1.1")", R"("version":"2.0")");
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.error().message(), "line 1: version is '2.0', and this pellucid reads 1.x");
  for (const char* version : {"1", "1.0.0", "one", "", "1.0 ", "0.9"}) {
    EXPECT_FALSE(with(R"("version":"1.1")", fmt::format(R"("version":"{}")", version)).ok()) << version;
  }
  EXPECT_EQ(with(R"("top_k":50)", R"("top_k":50,"top_z":1)").error().message(),
            "line 1: setting 'top_z': there is no such setting");
}

struct Edit {
  size_t line;
  const char* from;
  const char* to;
  const char* error;
};

TEST(Reader, WhatIsWrongIsNamedWithItsLine) {
  const std::vector<std::string> lines = test::lines_of(test::sample_trace());
  const std::vector<Edit> edits{
      {0, R"("pellucid-trace")", R"("other")", "line 1: format is not pellucid-trace"},
      {0, R"("tokens":[1,2])", R"("tokens":[1,9])", "line 1: prompt.tokens[1] is 9, not a token of 0 .. 8"},
      {0, R"("tokens":[1,2])", R"("tokens":[])", "line 1: prompt.tokens is empty"},
      {0, R"("n_vocab":9)", R"("n_vocab":0)",
       "line 1: model.n_vocab is 0, not a whole number between 1 and 2147483647"},
      {0, R"("kv_type":"f16")", R"("kv_type":"q8")", "line 1: machine.kv_type is none of f16, f32, q8_0"},
      {0, R"("top_k":50)", R"("top_k":-3)",
       "line 1: setting top_k: '-3' is not a whole number between 0 and 2147483647"},
      {0, R"("logit_bias":{"3":)", R"("logit_bias":{"12":)",
       "line 1: setting logit_bias: there is no token 12: the vocabulary has 9"},
      {0, R"([[4,1],[5,2]])", R"([[5,2],[4,1]])", "line 1: breakers is not in order of the last tokens"},
      {0, R"([[4,1],[5,2]])", R"([[4,1],[]])", "line 1: breakers holds what is no list of tokens"},
      {0, R"("stop":["\n\n"])", R"("stop":[""])", "line 1: stop holds an empty text"},
      {1, R"("step":0)", R"("step":1)", "line 2: step is 1, and step 0 of branch 0 comes next"},
      {1, R"("branch":0)", R"("branch":1)", "line 2: branch is 1, not a whole number between 0 and 0"},
      {1, R"("token":3,)", R"("token":-3,)", "line 2: token is -3, not a whole number between 0 and 8"},
      {1, R"("token":3,)", R"("token":1e300,)", "line 2: token is 1E300, not a whole number between 0 and 8"},
      {1, R"("kept":2)", R"("kept":10)", "line 2: stages[1].kept is 10, not a whole number between 1 and 9"},
      {1, "0123456789abcdef", "0123", "line 2: logits_hash is \"0123\", not 16 hexadecimal digits"},
      {1, R"("key":[5,0])", R"("key":[5])", "line 2: draw.key is [5], not a list of 2 numbers of 32 bits"},
      {1, R"("key":[5,0])", R"("key":[5,4294967296])",
       "line 2: draw.key is [5,4294967296], not a list of 2 numbers of 32 bits"},
      {1, R"("margin":1E-9)", R"("margin":"x")",
       "line 2: draw.margin is \"x\", not a number between 0 and 1"},
      {1, R"(,"margin":1E-9)", "", "line 2: draw.margin is missing"},
      {4, R"("n_tokens":3)", R"("n_tokens":4)", "line 5: n_tokens is 4, and there are 3 steps"},
      {4, R"("record":"end")", R"("record":"header")", "line 5: there is a header before"},
      {5, R"("branch":1)", R"("branch":7)", "line 6: branch is 7, not a whole number between 1 and 1"},
      {5, R"("parent":0)", R"("parent":1)", "line 6: parent is 1, not a whole number between 0 and 0"},
      {5, R"("at":1)", R"("at":3)", "line 6: at is 3, not a whole number between 0 and 2"},
      {6, R"("branch":1)", R"("branch":0)", "line 7: branch 0 has ended before"},
  };
  for (const Edit& edit : edits) {
    std::vector<std::string> changed = lines;
    const size_t at = changed[edit.line].find(edit.from);
    ASSERT_NE(at, std::string::npos) << edit.from;
    changed[edit.line].replace(at, std::strlen(edit.from), edit.to);
    const auto read = test::read(changed);
    ASSERT_FALSE(read.ok()) << edit.error;
    EXPECT_EQ(read.error().message(), edit.error);
    EXPECT_EQ(read.error().code, ErrorCode::kBadTrace);
  }
}

TEST(Reader, AnyFieldMissingOrOfAnotherTypeIsRefusedOrReadButNeverWrongly) {
  const std::vector<std::string> lines = test::lines_of(test::sample_trace());
  const std::vector<std::string> others{"null", "\"x\"", "-1",    "1E308", "18446744073709551615",
                                        "[]",   "{}",    "[[]]",  "true",  "[{}]",
                                        "0.5",  "\"\"",  "[null]"};
  size_t refused = 0;
  // Each value of each line, found by its colon, becomes something else: the line as text, so at any depth.
  for (size_t l = 0; l < lines.size(); ++l) {
    for (size_t colon = lines[l].find("\":"); colon != std::string::npos;
         colon = lines[l].find("\":", colon + 1)) {
      const size_t begin = colon + 2;
      size_t end = begin;
      for (int depth = 0; depth > 0 || (lines[l][end] != ',' && lines[l][end] != '}'); ++end) {
        depth +=
            (lines[l][end] == '[' || lines[l][end] == '{') - (lines[l][end] == ']' || lines[l][end] == '}');
      }
      for (const std::string& other : others) {
        std::vector<std::string> changed = lines;
        changed[l].replace(begin, end - begin, other);
        std::string text;
        for (const std::string& line : changed) text += line + '\n';
        EXPECT_EQ(test::check_reading(text), "") << changed[l];
        refused += test::read(changed).ok() ? 0 : 1;
      }
    }
  }
  EXPECT_GT(refused, 2000U);
}

TEST(Reader, CutAnywhereItIsRefusedOrShorter) {
  std::string text;
  for (const std::string& line : test::lines_of(test::sample_trace())) text += line + '\n';
  for (size_t n = 0; n < text.size(); n += 3) EXPECT_EQ(test::check_reading(text.substr(0, n)), "") << n;
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = text;
    for (int k = 0; k < 1 + i % 3; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
    EXPECT_EQ(test::check_reading(damaged), "");
  }
}

TEST(Reader, LongLinesAndEmptyFilesAreRefused) {
  Reader reader;
  const auto read = reader.line(std::string(Reader::kMaxLine + 1, ' '));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().message(), "line 1: it is longer than 64 MiB");
  EXPECT_EQ(Reader().finish().error().message(), "line 1: there is none: the trace is empty");
  EXPECT_EQ(read_trace("/nowhere/at.all").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read_trace("/").error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace pellucid::trace
