// What `explain` prints: the worked examples, digit by digit; and any token text, as a terminal may be given
// it.
#include "cli/explain_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <sstream>

#include "cli/explain_logits.h"
#include "cli/explain_terms.h"
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
                           "\"The\" -> \"The cat\"", "top-k: rank 4 > 3", "top-p: 0.9941 above it",
                           "0.1308 to the nearest boundary", "2.0000 between"}) {
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
    EXPECT_NE(text.find("greedy: one token is left"), std::string::npos) << text;
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
  EXPECT_NE(text.find("> \"#" + std::to_string(step.draw.token) + "\""), std::string::npos) << text;
  // 1,996 of weight 1 beside exp(5) and three.
  EXPECT_NE(text.find("+1,996 others, 92.9 %; 1,996 left, 92.9 %"), std::string::npos) << text;
}

TEST(ExplainText, FitsTheTerminalAndColoursOnlyWhenAsked) {
  for (const size_t width : {40UL, 50UL, 60UL, 80UL, 100UL}) {
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

TEST(ExplainText, FitsItsColumnsWhateverTheNumbersAndLabelsAre) {
  std::mt19937 random(7);
  const std::vector<std::string> kLabels{"字字字字字字字字字字字字",
                                         "👩‍👩‍👧‍👦🏳️‍🌈🎉🎉🎉🎉🎉",
                                         "\x1b[31m\x07\b\x7f",
                                         std::string(300, 'w'),
                                         "a\u0301\u0301\u0301",
                                         "\xf0\x9f",
                                         "\u202eabc",
                                         "",
                                         "\t\r\n\\\""};
  for (int round = 0; round < 2'000; ++round) {
    ExplainLogitsOptions options;
    options.logits = "";
    options.labels = "";
    const double scale = std::pow(10.0, static_cast<double>(random() % 40) - 3);
    for (int i = 0; i < 12; ++i) {
      const double x = scale * (static_cast<double>(random() % 2'000) / 1e3 - 1);
      *options.logits += (i ? "," : "") + std::to_string(std::clamp(x, -3e38, 3e38));
      *options.labels += (i ? "," : "") + kLabels[random() % kLabels.size()];
    }
    options.settings.temperature = round % 5 == 0 ? 0 : static_cast<double>(1 + random() % 30) / 10;
    options.settings.top_k = static_cast<int32_t>(random() % 14);
    options.settings.top_p = static_cast<double>(1 + random() % 100) / 100;
    options.seed = round % 2 == 0 ? random() : UINT64_MAX;
    options.context = kLabels[random() % kLabels.size()];
    if (round % 3 == 0) options.settings.order = {sampling::StageId::kTopP, sampling::StageId::kTemperature};
    const size_t width = round % 4 == 0 ? 80 : 40 + random() % 60;
    for (const std::string& line : lines_of(explain_text(step_of(options), {width, false}))) {
      ASSERT_LE(display_width(line), width) << line << "\n" << *options.logits;
      ASSERT_NE(line.empty() ? 'x' : line.back(), ' ') << line;
    }
  }
}

std::string header_at(size_t width) {
  ExplainLogitsOptions options = the_cat();
  options.settings.temperature = 0.5;
  const std::string text = explain_text(step_of(options), {width, false});
  std::istringstream words(lines_of(text)[2]);
  std::string header;
  for (std::string word; words >> word;) header += (header.empty() ? "" : " ") + word;
  return header;
}

TEST(ExplainText, ANarrowTableLeavesOutWhatMattersLeast) {
  EXPECT_EQ(header_at(80), "token id logit scaled top-k top-p final");
  EXPECT_EQ(header_at(52), "token id logit scaled top-k top-p final");
  EXPECT_EQ(header_at(48), "token logit scaled top-k top-p final");
  EXPECT_EQ(header_at(44), "token logit scaled top-k final");
  EXPECT_EQ(header_at(40), "token logit top-k final");
  const std::string narrow = explain_text(step_of(the_cat()), {40, false});
  EXPECT_EQ(row_of(narrow, "cat"),
            (std::vector<std::string>{">", "\"cat\"", "10.0000", "0.8756", "0.8808", "0.8808"}));
  EXPECT_EQ(row_of(narrow, "house"), (std::vector<std::string>{"\"house\"", "2.0000", "cut", "0"}));
  EXPECT_NE(narrow.find("\"The cat\""), std::string::npos) << narrow;
  // A reason is whole or isn't there.
  for (size_t width = 40; width < 100; ++width) {
    for (const std::string& line : lines_of(explain_text(step_of(the_cat()), {width, false}))) {
      const size_t reason = std::min(line.find("rank 4"), line.size());
      EXPECT_TRUE(reason == line.size() || line.substr(reason) == "rank 4 > 3") << line;
    }
  }
}

TEST(ExplainText, CountsHaveAComma) {
  ExplainLogitsOptions options;
  options.logits = "1234567";
  for (int i = 1; i < 12'345; ++i) *options.logits += ",0.1";
  options.settings.top_k = 10'000;
  options.settings.top_p = 1;
  options.settings.temperature = 1e6;
  options.top = 10'001;
  const ExplainedStep step = step_of(options);
  const std::string text = explain_text(step, {});
  EXPECT_NE(text.find("kept 10,000 of 12,345, cut at logit 1e-07"), std::string::npos) << text.substr(0, 500);
  EXPECT_NE(text.find("rank 10,001 > 10,000"), std::string::npos);
  EXPECT_NE(text.find("+2,344 others"), std::string::npos);
  const auto json = boost::json::serialize(explain_json(step));
  EXPECT_NE(json.find("kept 10000 of 12345"), std::string::npos);
  EXPECT_EQ(json.find("10,000"), std::string::npos);
  EXPECT_EQ(with_groups("49152 of 262144, 0.1234567, cut at 123456 (1)"),
            "49,152 of 262,144, 0.1234567, cut at 123,456 (1)");
  EXPECT_EQ(with_groups("100 1000 1000000 1e+20 -1000.50001"), "100 1,000 1,000,000 1e+20 -1,000.50001");
}

TEST(ExplainText, ThePromptWrapsAndLosesNothing) {
  std::vector<PromptToken> prompt;
  for (int32_t i = 0; i < 300; ++i) prompt.push_back({i * 7, i % 11 == 0 ? "字\n" : "t" + std::to_string(i)});
  const std::string text = prompt_text(prompt, {});
  for (const std::string& line : lines_of(text)) EXPECT_LE(display_width(line), 80U) << line;
  for (const PromptToken& token : prompt) {
    const std::string said = quoted_token(token.bytes, 24) + ' ' + std::to_string(token.id);
    EXPECT_NE(text.find(said), std::string::npos) << said;
  }
  EXPECT_EQ(prompt_json(prompt).size(), 300U);
}

TEST(ExplainText, FlagsNearTies) {
  ExplainLogitsOptions options;
  options.logits = "1,1,0";
  options.settings.top_k = 2;
  const auto near = [&](const char* u, double temperature) {
    options.draw = u;
    options.settings.temperature = temperature;
    const ExplainedStep step = step_of(options);
    EXPECT_EQ(explain_text(step, {}).find("near tie") != std::string::npos, near_tie(step));
    return near_tie(step);
  };
  EXPECT_TRUE(near("0.5", 1));  // the boundary itself
  EXPECT_TRUE(near("0.4995", 1));
  EXPECT_FALSE(near("0.498", 1));
  EXPECT_TRUE(near("0.1", 0)) << "equal logits, whatever u";
  options.logits = "1,0.98,0";
  EXPECT_FALSE(near("0.5", 0));
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
  EXPECT_EQ(as_written(json.at("gap")), 2);
  EXPECT_EQ(json.at("text").as_string(), "The cat");
}

/// Softmax, top-k, top-p and the draw once more, by the textbook in long double.
TEST(ExplainJson, AgreesWithAnIndependentComputation) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> row(20);
    ExplainLogitsOptions options;
    options.logits = "";
    for (float& x : row) {
      x = static_cast<float>(random() % 1'000'000) / 1e5F;
      *options.logits += (options.logits->empty() ? "" : ",") + std::to_string(x);
    }
    row = parse_floats("row", *options.logits).value();
    options.settings.temperature = 0.25 + static_cast<double>(random() % 100) / 50;
    options.settings.top_k = static_cast<int32_t>(1 + random() % 20);
    options.settings.top_p = static_cast<double>(1 + random() % 98) / 100;
    options.top = 20;
    options.seed = random();

    std::vector<size_t> order(row.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return row[a] > row[b]; });
    order.resize(static_cast<size_t>(options.settings.top_k));
    const auto weight = [&](size_t id) {
      return std::exp((static_cast<long double>(row[id]) - static_cast<long double>(row[order[0]])) /
                      static_cast<long double>(options.settings.temperature));
    };
    const auto total = [&] {
      long double sum = 0;
      for (const size_t id : order) sum += weight(id);
      return sum;
    };
    const long double whole = total();
    long double sum = 0;
    size_t kept = 0;
    while (kept < order.size() && sum / whole < static_cast<long double>(options.settings.top_p) - 1e-6L)
      sum += weight(order[kept++]);
    order.resize(std::max<size_t>(kept, 1));

    const std::string text = boost::json::serialize(explain_json(step_of(options)));
    for (const char* bad : {"nan", "NaN", "inf", "Infinity", "1e99999"}) {
      ASSERT_EQ(text.find(bad), std::string::npos) << bad << " in " << text;
    }
    const boost::json::object json = boost::json::parse(text).as_object();
    ASSERT_EQ(json.at("stages").at(2).at("kept").to_number<size_t>(), order.size());
    const double u = json.at("draw").at("u").to_number<double>();
    EXPECT_NEAR(u, std::ldexp(json.at("draw").at("random").at("integer").to_number<double>(), -53), 1e-15);
    long double below = 0;
    for (size_t rank = 0; rank < order.size(); ++rank) {
      const boost::json::value& candidate = json.at("candidates").at(rank);
      const long double p = weight(order[rank]) / total();
      EXPECT_EQ(candidate.at("id").to_number<size_t>(), order[rank]);
      EXPECT_NEAR(candidate.at("probability").to_number<double>(), static_cast<double>(p), 1e-14);
      if (static_cast<double>(below) <= u && u < static_cast<double>(below + p)) {
        EXPECT_EQ(json.at("draw").at("id").to_number<size_t>(), order[rank]);
      }
      below += p;
    }
  }
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
    refuse([&](Options& o) { o.logits = bad; }, ErrorCode::kUsage);
  }
  for (const char* bad : {"1", "-0.1", "nan", "", "u", "0.5x"}) {
    refuse([&](Options& o) { o.draw = bad; }, ErrorCode::kUsage);
  }
  refuse([](Options& o) { o.labels = "a,b"; }, ErrorCode::kUsage);
  refuse([](Options& o) { o.probabilities = "1"; }, ErrorCode::kUsage);
  refuse([](Options& o) { o.logits.reset(); }, ErrorCode::kUsage);
  refuse([](Options& o) { o.settings.top_p = 2; }, ErrorCode::kUsage);
  for (const char* bad : {"0,0,0,0,0,0", "0.5,1.5,0,0,0,0", "-0.5,1,0,0,0,0", "nan,1,0,0,0,0"}) {
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

TEST(Terminal, WidthIsColumnsThenTheTerminalThenEighty) {
  constexpr int kNone = -1;  // no terminal
  EXPECT_EQ(report_width(std::nullopt, kNone), 80U);
  EXPECT_EQ(report_width("60", kNone), 60U);
  EXPECT_EQ(report_width("40", kNone), 40U);
  EXPECT_EQ(report_width("7", kNone), 40U);
  EXPECT_EQ(report_width("200", kNone), 80U);
  for (const char* bad : {"", "0", "-5", "wide", "60x", "99999999999999999999999"}) {
    EXPECT_EQ(report_width(bad, kNone), 80U) << bad;
  }
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
