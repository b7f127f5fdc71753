// The same ids and pieces as Hugging Face tokenizers on every line of the corpus
// (scripts/golden_tokenizer.py).
#include <gtest/gtest.h>

#include "tokenizer/corpus.h"
#include "tokenizer/pretokenize.h"

namespace pellucid::tokenizer::test {
namespace {

struct Case {
  const char* model;
  const char* name;
};

class GoldenIds : public testing::TestWithParam<Case> {};

TEST_P(GoldenIds, AreThoseOfHuggingFace) {
  const auto loaded = load(GetParam().model);
  if (!loaded) GTEST_SKIP() << GetParam().model << " has not been downloaded";
  const std::vector<std::string> corpus = read_corpus();
  const std::string folder = "golden/tokenizer/";
  const std::vector<std::string> special = read_lines(folder + GetParam().name + ".txt");
  const std::vector<std::string> plain = read_lines(folder + GetParam().name + "_plain.txt");
  ASSERT_GE(corpus.size(), 2000u);
  ASSERT_EQ(special.size(), corpus.size());
  ASSERT_EQ(plain.size(), corpus.size());
  for (size_t i = 0; i < corpus.size(); ++i) {
    SCOPED_TRACE("line " + std::to_string(i + 1));
    const auto ids = loaded->tokenizer.encode(corpus[i], {.add_bos = false, .parse_special = true});
    ASSERT_TRUE(ids.ok()) << ids.error().message();
    EXPECT_EQ(ids.value(), parse_numbers(special[i]));
    const auto text = loaded->tokenizer.encode(corpus[i], {.add_bos = false, .parse_special = false});
    ASSERT_TRUE(text.ok()) << text.error().message();
    EXPECT_EQ(text.value(), parse_numbers(plain[i] == "=" ? special[i] : plain[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenIds, testing::Values(Case{kSmolLM2, "smollm"}, Case{kGemma3, "gemma"}),
                         [](const auto& test) { return test.param.name; });

class GoldenPieces : public testing::TestWithParam<const char*> {};

TEST_P(GoldenPieces, AreThoseOfHuggingFace) {
  const auto pretokenizer = Pretokenizer::from(GetParam());
  ASSERT_TRUE(pretokenizer.ok()) << pretokenizer.error().message();
  const std::vector<std::string> corpus = read_corpus();
  const std::vector<std::string> golden =
      read_lines("golden/tokenizer/pre_" + std::string(GetParam()) + ".txt");
  ASSERT_GE(corpus.size(), 2000u);
  ASSERT_EQ(golden.size(), corpus.size());
  for (size_t i = 0; i < corpus.size(); ++i) {
    const auto pieces = pretokenizer.value().split(corpus[i]);
    ASSERT_TRUE(pieces.ok()) << pieces.error().message();
    std::vector<int32_t> lengths;
    std::string joined;
    for (const std::string_view piece : pieces.value()) {
      lengths.push_back(static_cast<int32_t>(piece.size()));
      joined.append(piece);
    }
    EXPECT_EQ(joined, corpus[i]);
    EXPECT_EQ(lengths, parse_numbers(golden[i])) << "line " << i + 1;
  }
}

INSTANTIATE_TEST_SUITE_P(Patterns, GoldenPieces,
                         testing::Values("gpt-2", "smollm", "llama-bpe", "qwen2", "default"));

TEST(Models, SpecialTokens) {
  if (const auto smollm = load(kSmolLM2)) {
    const Tokenizer& tokenizer = smollm->tokenizer;
    EXPECT_EQ(tokenizer.size(), 49152);
    EXPECT_EQ(tokenizer.bos(), 1);
    EXPECT_EQ(tokenizer.eos(), 2);
    EXPECT_EQ(tokenizer.stop_ids(), (std::vector<int32_t>{0, 2}));  // <|endoftext|>, <|im_end|>
    EXPECT_EQ(tokenizer.missing_bytes().size(), 21u);
    EXPECT_EQ(tokenizer.encode("").value(), std::vector<int32_t>{});  // add_bos_token is false
    EXPECT_TRUE(tokenizer.is_special(2));
    EXPECT_EQ(tokenizer.piece(2), "<|im_end|>");
    EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{1, 19556, 905, 2}, false), "Hello world");
    EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{1, 19556, 2}, true), "<|im_start|>Hello<|im_end|>");
  }
  if (const auto gemma = load(kGemma3)) {
    const Tokenizer& tokenizer = gemma->tokenizer;
    EXPECT_EQ(tokenizer.size(), 262144);
    EXPECT_EQ(tokenizer.stop_ids(), (std::vector<int32_t>{1, 106}));  // <eos>, <end_of_turn>
    EXPECT_EQ(tokenizer.encode("").value(), std::vector<int32_t>{2});
    EXPECT_EQ(tokenizer.encode("Hello").value(), (std::vector<int32_t>{2, 9259}));
    EXPECT_EQ(tokenizer.encode("Hello", {.add_bos = false, .parse_special = true}).value(),
              std::vector<int32_t>{9259});
    EXPECT_EQ(tokenizer.piece(238 + 0x41), "A");
    EXPECT_EQ(tokenizer.piece(-1), "");
    EXPECT_EQ(tokenizer.piece(262144), "");
    EXPECT_EQ(tokenizer.text_of(262144), "");
    EXPECT_FALSE(tokenizer.is_special(262144));
  }
}

}  // namespace
}  // namespace pellucid::tokenizer::test
