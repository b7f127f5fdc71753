// What `explain` prints: the worked examples, digit by digit; and any token text, as a terminal may be given
// it.
#include "cli/explain_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <sstream>

#include "cli/explain_logits.h"
#include "cli/terminal.h"
#include "cli/token_text.h"

namespace pellucid::cli {
namespace {

ExplainLogitsOptions the_cat() {
  ExplainLogitsOptions options;
  options.logits = "10,8,5,2,1,0.5";
  options.labels = "cat,dog,car,house,tree,book";
  options.draw = "0.75";
  options.context = "The";
  options.settings.top_k = 3;
  options.settings.top_p = 0.9;
  return options;
}

ExplainedStep step_of(const ExplainLogitsOptions& options) {
  auto step = explain_logits(options);
  EXPECT_TRUE(step.ok()) << (step.ok() ? "" : step.error().message());
  return std::move(step).value();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// The line with the token, cut into words: mark or not, token, id, logit, stages, final, bar or reason.
std::vector<std::string> row_of(const std::string& text, const std::string& token) {
  for (const std::string& line : lines_of(text)) {
    if (line.size() < 2 || line.compare(2, token.size() + 2, '"' + token + '"') != 0) continue;
    std::istringstream words(line);
    std::vector<std::string> cells;
    for (std::string word; words >> word;) cells.push_back(word);
    return cells;
  }
  return {};
}

TEST(ExplainText, TheCat) {
  const std::string text = explain_text(step_of(the_cat()), {});
  const auto cells = [&](const char* token, size_t n) {
    auto row = row_of(text, token);
    row.resize(n);
    return row;
  };
  using Row = std::vector<std::string>;
  EXPECT_EQ(cells("cat", 7), (Row{">", "\"cat\"", "0", "10.0000", "0.8756", "0.8808", "0.8808"}));
  EXPECT_EQ(cells("dog", 6), (Row{"\"dog\"", "1", "8.0000", "0.1185", "0.1192", "0.1192"}));
  EXPECT_EQ(cells("car", 6), (Row{"\"car\"", "2", "5.0000", "0.0059", "cut", "0"}));
  EXPECT_EQ(cells("house", 5), (Row{"\"house\"", "3", "2.0000", "cut", "0"}));
  EXPECT_EQ(cells("book", 5), (Row{"\"book\"", "5", "0.5000", "cut", "0"}));
  for (const char* said : {"kept 3 of 6", "0.9941 >= 0.9, kept 2 of 3", "u = 0.75 in [0, 0.8808) -> \"cat\"",
                           "\"The\" -> \"The cat\"", "+0 others, 0.0 %", "top-k: rank 4 > 3",
                           "top-p: 0.9941 above it", "0.1308 to the nearest boundary", "2.0000 between"}) {
    EXPECT_NE(text.find(said), std::string::npos) << said << "\n" << text;
  }
}

TEST(ExplainText, Temperatures) {
  const struct {
    double temperature;
    std::vector<std::string> scaled;
    std::vector<std::string> expected;
  } kRows[] = {{0.5, {"4.0000", "2.0000", "1.0000"}, {"0.8438", "0.1142", "0.0420"}},
               {1, {"2.0000", "1.0000", "0.5000"}, {"0.6285", "0.2312", "0.1402"}},
               {2, {"1.0000", "0.5000", "0.2500"}, {"0.4810", "0.2918", "0.2272"}}};
  for (const auto& row : kRows) {
    ExplainLogitsOptions options;
    options.logits = "2,1,0.5";
    options.labels = "a,b,c";
    options.settings.temperature = row.temperature;
    options.settings.top_k = 0;
    options.settings.top_p = 1;
    const std::string text = explain_text(step_of(options), {});
    for (size_t i = 0; i < 3; ++i) {
      const std::vector<std::string> cells = row_of(text, std::string(1, static_cast<char>('a' + i)));
      EXPECT_NE(std::find(cells.begin(), cells.end(), row.expected[i]), cells.end()) << text;
      EXPECT_NE(std::find(cells.begin(), cells.end(), row.scaled[i]), cells.end()) << text;
    }
  }
}

TEST(ExplainText, ProbabilitiesThroughTopKAndTopP) {
  for (const auto& [k, p] : {std::pair{3, 1.0}, std::pair{0, 0.9}}) {
    ExplainLogitsOptions options;
    options.probabilities = ".4,.3,.2,.05,.03,.02";
    options.labels = "a,b,c,d,e,f";
    options.settings.top_k = k;
    options.settings.top_p = p;
    const std::string text = explain_text(step_of(options), {});
    for (const auto& [token, value] : {std::pair{"a", "0.4444"}, std::pair{"b", "0.3333"},
                                       std::pair{"c", "0.2222"}, std::pair{"f", "0"}}) {
      const std::vector<std::string> cells = row_of(text, token);
      EXPECT_NE(std::find(cells.begin(), cells.end(), value), cells.end()) << token << "\n" << text;
    }
  }
}

TEST(ExplainText, GreedySaysSo) {
  ExplainLogitsOptions options;
  options.probabilities = ".4,.3,.2";
  options.labels = "World,there,friend";
  options.settings.temperature = 0;
  for (const char* u : {"0", "0.5", "0.999999"}) {
    options.draw = u;
    const ExplainedStep step = step_of(options);
    EXPECT_EQ(step.draw.token, 0);
    const std::string text = explain_text(step, {});
    EXPECT_NE(text.find("0 is greedy"), std::string::npos) << text;
    EXPECT_NE(text.find("only one token is left"), std::string::npos) << text;
  }
}

TEST(ExplainText, TheOthersAndTheTokenDrawnAreAlwaysThere) {
  ExplainLogitsOptions options;
  options.logits = "5";
  for (int i = 1; i < 2'000; ++i) *options.logits += ",0";
  options.settings.top_k = 0;
  options.settings.top_p = 1;
  options.draw = "0.999";
  options.top = 3;
  const ExplainedStep step = step_of(options);
  ASSERT_EQ(step.chain.candidates.size(), 4U);
  const std::string text = explain_text(step, {});
  EXPECT_NE(text.find("> \"" + std::to_string(step.draw.token) + "\""), std::string::npos) << text;
  // 1,996 of weight 1 beside exp(5) and three.
  EXPECT_NE(text.find("+1,996 others, 92.9 %; 1,996 left, 92.9 %"), std::string::npos) << text;
}

TEST(ExplainText, FitsTheTerminalAndColoursOnlyWhenAsked) {
  for (const size_t width : {80UL, 100UL}) {
    const std::string text = explain_text(step_of(the_cat()), {width, false});
    for (const std::string& line : lines_of(text)) EXPECT_LE(display_width(line), width) << line;
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
  }
  std::string coloured = explain_text(step_of(the_cat()), {80, true});
  EXPECT_NE(coloured.find("\x1b["), std::string::npos);
  for (size_t at = 0; (at = coloured.find('\x1b')) != std::string::npos;) {
    coloured.erase(at, coloured.find('m', at) + 1 - at);
  }
  EXPECT_EQ(coloured, explain_text(step_of(the_cat()), {80, false}));
}

TEST(ExplainText, HostileLabelsStayOnTheirLine) {
  ExplainLogitsOptions options;
  options.logits = "3,2,1,0";
  options.labels =
      std::string("\x1b[2J\n\r,\xff\xfe\"\\,") + std::string(5'000, 'x') + ",\u202e\u5b57\u5b57\u0301";
  options.context = "a\nb\x07";
  const std::string text = explain_text(step_of(options), {});
  for (const char c : text) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  EXPECT_EQ(text.find('\x7f'), std::string::npos);
  EXPECT_NE(text.find(R"("\x1b[2J\n\r")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("\xff\xfe\"\\")"), std::string::npos) << text;
  for (const std::string& line : lines_of(text)) EXPECT_LE(display_width(line), 80U) << line;
}

/// A number as JSON has it, read by a reader that is exact (the one of Boost 1.81 is off by a last digit at
/// times).
double as_written(const boost::json::value& value) { return std::stod(boost::json::serialize(value)); }

TEST(ExplainJson, HoldsEveryBit) {
  const ExplainedStep step = step_of(the_cat());
  const boost::json::object json = explain_json(step);
  const auto& candidates = json.at("candidates").as_array();
  ASSERT_EQ(candidates.size(), 6U);
  const sampling::Candidates& left = step.chain.result.candidates;
  EXPECT_EQ(as_written(candidates[0].at("probability")), left.probability(0));
  EXPECT_EQ(as_written(candidates[1].at("after").at(2).at("probability")), left.probability(1));
  EXPECT_EQ(candidates[2].at("removed_by").as_string(), "top_p");
  EXPECT_EQ(candidates[3].at("removed_by").as_string(), "top_k");
  EXPECT_TRUE(candidates[3].at("after").at(1).is_null());
  EXPECT_EQ(candidates[3].at("reason").as_string(), "top-k: rank 4 > 3");
  EXPECT_EQ(as_written(json.at("stages").at(1).at("kept")), 3);
  EXPECT_EQ(as_written(json.at("stages").at(2).at("mass_kept")), *step.chain.result.reports[2].mass_kept);
  EXPECT_EQ(as_written(json.at("draw").at("high")), step.draw.high);
  EXPECT_EQ(json.at("draw").at("token").as_string(), "cat");
  EXPECT_EQ(as_written(json.at("gap").at("logit")), 2);
  EXPECT_EQ(json.at("text").as_string(), "The cat");
}

TEST(ExplainJson, MasksAndBytesThatAreNoTextAreNull) {
  ExplainLogitsOptions options;
  options.logits = "1,-inf,0";
  options.labels = "a,\xc3,c";
  const auto read = boost::json::parse(boost::json::serialize(explain_json(step_of(options)))).as_object();
  EXPECT_EQ(read.at("candidates").as_array().size(), 2U) << "a masked token is no candidate";
  EXPECT_TRUE(read.at("draw").at("random").is_object());
  options.logits = "1,2,0";
  const auto bytes = explain_json(step_of(options)).at("candidates").at(0).at("bytes").as_array();
  EXPECT_EQ(bytes, (boost::json::array{0xC3}));
}

TEST(ExplainLogits, RefusesWhatItCannotUse) {
  const auto refuse = [](const auto& change, ErrorCode code) {
    ExplainLogitsOptions options = the_cat();
    change(options);
    const auto step = explain_logits(options);
    ASSERT_FALSE(step.ok());
    EXPECT_EQ(step.error().code, code) << step.error().message();
  };
  using Options = ExplainLogitsOptions;
  for (const char* bad : {"", "1,,2", "1,two", "1 2", ",", "1e99,2,3,4,5,6", "0x10", "1;2"}) {
    refuse([&](Options& o) { o.logits = bad; }, ErrorCode::kUsage);
  }
  for (const char* bad : {"1,nan,3,4,5,6", "1,inf,3,4,5,6", "-inf,-inf,-inf,-inf,-inf,-inf"}) {
    refuse([&](Options& o) { o.logits = bad; }, ErrorCode::kNumeric);
  }
  for (const char* bad : {"1", "-0.1", "nan", "", "u", "0.5x"}) {
    refuse([&](Options& o) { o.draw = bad; }, ErrorCode::kUsage);
  }
  refuse([](Options& o) { o.labels = "a,b"; }, ErrorCode::kUsage);
  refuse([](Options& o) { o.probabilities = "1"; }, ErrorCode::kUsage);
  refuse([](Options& o) { o.logits.reset(); }, ErrorCode::kUsage);
  refuse([](Options& o) { o.settings.top_p = 2; }, ErrorCode::kUsage);
  for (const char* bad : {"0.5,1.5,0,0,0,0", "-0.5,1,0,0,0,0", "nan,1,0,0,0,0"}) {
    refuse([&](Options& o) { o.logits.reset(), o.probabilities = bad; }, ErrorCode::kUsage);
  }
}

TEST(TokenText, WidthIsBoundedForAnyBytes) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 60, ' ');
    for (char& c : bytes) c = static_cast<char>(random() % (i % 2 == 0 ? 256 : 128));
    const size_t width = 4 + random() % 40;
    for (const std::string& text : {quoted_token(bytes, width), quoted_tail(bytes, width)}) {
      ASSERT_TRUE(is_utf8(text));
      ASSERT_LE(display_width(text), width) << text;
      ASSERT_TRUE(std::none_of(text.begin(), text.end(),
                               [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
    }
    ASSERT_TRUE(is_utf8(replaced_utf8(bytes)));
  }
  EXPECT_EQ(quoted_token("ab\u5b57", 6), "\"ab\u5b57\"");
  EXPECT_EQ(quoted_token("ab\u5b57\u5b57", 6), "\"ab\u2026\"");
  EXPECT_EQ(quoted_tail("abcdef", 6), "\"\u2026def\"");
}

TEST(Terminal, ColourFollowsFlagThenNoColorThenTerminal) {
  const TerminalFacts terminal{true, std::nullopt, "xterm"};
  EXPECT_TRUE(use_colour(ColourChoice::kAuto, terminal));
  EXPECT_FALSE(use_colour(ColourChoice::kAuto, {false, std::nullopt, "xterm"}));
  EXPECT_FALSE(use_colour(ColourChoice::kAuto, {true, std::nullopt, "dumb"}));
  EXPECT_FALSE(use_colour(ColourChoice::kAuto, {true, std::nullopt, std::nullopt}));
  EXPECT_FALSE(use_colour(ColourChoice::kAuto, {true, "1", "xterm"}));
  EXPECT_TRUE(use_colour(ColourChoice::kAuto, {true, "", "xterm"}));
  EXPECT_TRUE(use_colour(ColourChoice::kAlways, {false, "1", "dumb"}));
  EXPECT_FALSE(use_colour(ColourChoice::kNever, terminal));
}

}  // namespace
}  // namespace pellucid::cli
