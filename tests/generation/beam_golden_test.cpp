// Beam search and beam sampling against the texts and scores of transformers' generate(): tests/golden/beams,
// which scripts/golden_beams.py makes. With PELLUCID_GOLDEN_BEAMS=FOLDER those of another folder, e.g. of
// more cases.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "generation/beam_table.h"
#include "sampling/support.h"

namespace pellucid::generation {
namespace {

// transformers', of the stages that the cases use.
constexpr const char* kOrder =
    "logit_bias,repetition_penalty,no_repeat_ngram,bad_words,min_new_tokens,length_decay,suppress_tokens,"
    "temperature,top_h,top_k,top_p,min_p,typical_p,epsilon_cutoff,eta_cutoff";

std::vector<int32_t> ids_of(const std::string& text) {
  std::vector<int32_t> ids;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) ids.push_back(std::stoi(word));
  return ids;
}

struct GoldenText {
  std::vector<int32_t> tokens;
  double score;
};

struct GoldenBeams {
  std::string line;
  std::map<std::string, std::string> words;  // of the case; what is left after a look is a setting
  std::vector<GoldenText> texts;

  explicit GoldenBeams(const std::string& text) : line(text) {
    std::istringstream cases(text.substr(0, text.find('|')));
    for (std::string word; cases >> word;) {
      const size_t equals = word.find('=');
      words[word.substr(0, equals)] = word.substr(equals + 1);
    }
    std::istringstream results(text.substr(text.find('|') + 1));
    for (std::string word; results >> word;) {
      const size_t colon = word.find(':');
      texts.push_back({ids_of(word.substr(0, colon)), std::stod(word.substr(colon + 1))});
    }
  }

  std::string take(const std::string& name) {
    const std::string value = words[name];
    words.erase(name);
    return value;
  }
  double number(const std::string& name) { return std::stod(take(name)); }
};

EarlyStopping early_stopping(const std::string& word) {
  for (const EarlyStopping one : {EarlyStopping::kFalse, EarlyStopping::kTrue, EarlyStopping::kNever}) {
    if (to_string(one) == word) return one;
  }
  ADD_FAILURE() << word;
  return EarlyStopping::kFalse;
}

sampling::Settings settings_of(const std::map<std::string, std::string>& words) {
  sampling::Settings settings = sampling::test::all_off();
  settings.top_k_ties = sampling::TopKTies::kKeep;
  EXPECT_TRUE(sampling::set(settings, "order", kOrder).ok());
  for (const auto& [name, value] : words) EXPECT_TRUE(sampling::set(settings, name, value).ok()) << name;
  return settings;
}

std::vector<FinishedBeam> search(const BeamRules& rules, const test::BeamTable& table,
                                 const std::vector<int32_t>& prompt, const Chooser& chooser,
                                 BeamChoosing choosing) {
  BeamContinuation beams(rules, {prompt, chooser, table.end_ids, TextTail({}), false, {}, choosing}, {});
  for (bool go_on = true; go_on;) {
    const auto done = beams.step(table.after(prompt, beams.search().running()));
    EXPECT_TRUE(done.ok()) << done.error().message();
    go_on = done.ok() && done.value();
  }
  return beams.search().finished();
}

std::vector<FinishedBeam> found(GoldenBeams golden) {
  test::BeamTable table;
  table.seed = std::stoull(golden.take("seed"));
  table.vocab = std::stoull(golden.take("vocab"));
  table.scale = golden.number("scale");
  table.end_ids = ids_of(golden.take("end_ids"));
  table.end_bias = golden.number("end_bias");
  const std::vector<int32_t> prompt = ids_of(golden.take("prompt"));
  BeamRules rules;
  rules.beams = static_cast<int>(golden.number("beams"));
  rules.length_penalty = golden.number("length_penalty");
  rules.early_stopping = early_stopping(golden.take("early_stopping"));
  rules.max_length = static_cast<int>(golden.number("max_length"));
  const bool draws = golden.words.contains("draw_seed");
  const uint64_t seed = draws ? std::stoull(golden.take("draw_seed")) : 0;
  auto chooser = Chooser::make(settings_of(golden.words), seed, 0, prompt.size(), table.end_ids, {});
  EXPECT_TRUE(chooser.ok());
  return search(rules, table, prompt, chooser.value(), draws ? BeamChoosing::kDraw : BeamChoosing::kBest);
}

std::vector<GoldenBeams> golden_cases(const std::string& name) {
  const char* elsewhere = std::getenv("PELLUCID_GOLDEN_BEAMS");
  std::ifstream file(std::string(elsewhere != nullptr ? elsewhere : PELLUCID_TEST_DATA "/golden/beams") +
                     "/" + name);
  std::vector<GoldenBeams> cases;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with('#')) cases.emplace_back(line);
  }
  return cases;
}

void check_all(const std::string& name) {
  const std::vector<GoldenBeams> cases = golden_cases(name);
  ASSERT_GE(cases.size(), 300u);
  for (const GoldenBeams& golden : cases) {
    SCOPED_TRACE(golden.line);
    const std::vector<FinishedBeam> texts = found(golden);
    ASSERT_EQ(texts.size(), golden.texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(texts[i].beam.tokens, golden.texts[i].tokens);
      const double score = golden.texts[i].score;
      EXPECT_NEAR(texts[i].score, score, 1e-5 * std::max(1.0, std::abs(score)));
    }
  }
}

TEST(BeamGolden, TextsAndScoresAreThoseOfTransformers) { check_all("hf.txt"); }

TEST(BeamGolden, SoAreThoseThatAreDrawn) { check_all("draws.txt"); }

/// Where nothing cuts, candidates view the scores of their step.
TEST(BeamSearch, OfALargeVocabularyIsTheSameWithAndWithoutACut) {
  const test::BeamTable table{.seed = 3, .vocab = 12000, .scale = 2, .end_ids = {7}};
  const std::vector<int32_t> prompt{1, 2};
  for (const BeamChoosing choosing : {BeamChoosing::kBest, BeamChoosing::kDraw}) {
    std::vector<FinishedBeam> texts[2];
    for (const bool cut : {false, true}) {
      const std::string last = cut ? "11999" : "0";
      const BeamRules rules{.beams = choosing == BeamChoosing::kBest ? 60 : 6, .max_length = 5};
      auto chooser = Chooser::make(settings_of({{"top_k", last}}), 9, 0, prompt.size(), table.end_ids, {});
      texts[cut] = search(rules, table, prompt, chooser.value(), choosing);
    }
    ASSERT_EQ(texts[0].size(), texts[1].size());
    for (size_t i = 0; i < texts[0].size(); ++i) {
      EXPECT_EQ(texts[0][i].beam.tokens, texts[1][i].beam.tokens);
      EXPECT_EQ(texts[0][i].score, texts[1][i].score);
    }
  }
}

}  // namespace
}  // namespace pellucid::generation
