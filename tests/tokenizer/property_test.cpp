// What holds for every text: decoding gives it back, merging agrees with the definition, time is linear.
#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <random>
#include <thread>

#include "tokenizer/corpus.h"
#include "tokenizer/small_models.h"
#include "tokenizer/special_split.h"

namespace pellucid::tokenizer::test {
namespace {

std::string random_bytes(std::mt19937& random, std::string_view alphabet, size_t length) {
  std::string text;
  for (size_t i = 0; i < length; ++i) {
    text.push_back(alphabet.empty() ? static_cast<char>(random()) : alphabet[random() % alphabet.size()]);
  }
  return text;
}

void expect_round_trip(const Tokenizer& tokenizer, const std::string& text) {
  for (const bool special : {true, false}) {
    const auto ids = tokenizer.encode(text, {.add_bos = true, .parse_special = special});
    ASSERT_TRUE(ids.ok());
    std::vector<int32_t> inner = ids.value();
    if (!inner.empty() && inner.front() == tokenizer.bos()) inner.erase(inner.begin());
    ASSERT_EQ(tokenizer.decode(inner, true), text);
  }
}

TEST(RoundTrip, RandomBytes) {
  const Small bytes = make(byte_level_keys());
  Keys keys = spm_keys();
  keys.flags = {{"add_space_prefix", false}};
  const Small spm = make(keys);
  keys.flags = {{"add_space_prefix", true}};
  const Small prefixed = make(keys);
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    const std::string text =
        random_bytes(random, round % 2 == 0 ? "" : "ab c\n<>s/.\xC3\xA9\xE2", random() % 40);
    expect_round_trip(bytes.tokenizer, text);
    if (text.find("▁") != text.npos) continue;  // SentencePiece cannot tell it from a space
    expect_round_trip(spm.tokenizer, text);
    const auto ids = prefixed.tokenizer.encode(text, {.add_bos = true, .parse_special = false});
    ASSERT_EQ(prefixed.tokenizer.decode(ids.value(), false), text);
  }
}

TEST(RoundTrip, RealModels) {
  const auto gemma = load(kGemma3);
  const auto smollm = load(kSmolLM2);
  if (!gemma || !smollm) GTEST_SKIP() << "the models have not been downloaded";
  const std::vector<uint8_t> missing = smollm->tokenizer.missing_bytes();
  for (const std::string& text : read_corpus()) {
    if (text.find("▁") == text.npos && !text.starts_with("<bos>")) expect_round_trip(gemma->tokenizer, text);
    const bool lossy = std::any_of(text.begin(), text.end(), [&](char c) {
      return std::find(missing.begin(), missing.end(), static_cast<uint8_t>(c)) != missing.end();
    });
    if (!lossy && !text.starts_with("<|im_start|>")) expect_round_trip(smollm->tokenizer, text);
  }
}

/// BPE by its definition: while some adjacent pair has a priority, merge the leftmost of the best.
std::vector<std::string> merge_by_definition(
    std::vector<std::string> symbols, const std::map<std::pair<std::string, std::string>, int>& priority) {
  while (true) {
    int best = -1;
    size_t at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = priority.find({symbols[i], symbols[i + 1]});
      if (found != priority.end() && (best < 0 || found->second < best)) {
        best = found->second;
        at = i;
      }
    }
    if (best < 0) return symbols;
    symbols[at] += symbols[at + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(Merging, ByteLevelAgreesWithTheDefinition) {
  const Keys keys = byte_level_keys();
  const Small small = make(keys);
  std::map<std::pair<std::string, std::string>, int> priority;
  for (size_t rank = 0; rank < keys.merges.size(); ++rank) {
    const size_t space = keys.merges[rank].find(' ');
    priority[{keys.merges[rank].substr(0, space), keys.merges[rank].substr(space + 1)}] =
        static_cast<int>(rank);
  }
  std::mt19937 random(2);
  for (int round = 0; round < 600; ++round) {  // both below and above the length where the algorithm changes
    const std::string word = random_bytes(random, "abc", 1 + random() % 120);
    std::vector<std::string> symbols;
    for (const char c : word) symbols.emplace_back(1, c);
    std::vector<std::string> expected = merge_by_definition(symbols, priority);
    std::vector<std::string> texts;
    const auto ids = small.tokenizer.encode(word, {.add_bos = false, .parse_special = true});
    for (const int32_t id : ids.value()) {
      texts.emplace_back(small.tokenizer.text_of(id));
    }
    ASSERT_EQ(texts, expected) << word;
  }
}

TEST(Merging, SentencePieceAgreesWithTheDefinition) {
  Keys keys = spm_keys();
  keys.scores.back() = keys.scores[keys.scores.size() - 6];  // a tie
  keys.flags = {{"add_space_prefix", false}, {"add_bos_token", false}};
  const Small small = make(keys);
  std::map<std::pair<std::string, std::string>, int> priority;
  for (size_t i = 259; i < keys.tokens.size(); ++i) {
    for (size_t cut = 1; cut < keys.tokens[i].size(); ++cut) {
      priority[{keys.tokens[i].substr(0, cut), keys.tokens[i].substr(cut)}] =
          static_cast<int>(-keys.scores[i]);
    }
  }
  std::mt19937 random(3);
  for (int round = 0; round < 600; ++round) {
    const std::string text = random_bytes(random, "aab c.", 1 + random() % 120);
    std::vector<std::string> symbols;
    for (const char c : text) symbols.push_back(c == ' ' ? "▁" : std::string(1, c));
    std::string expected;
    for (const std::string& symbol : merge_by_definition(symbols, priority)) {
      expected += symbol == "." ? "<0x2E>|" : symbol + "|";
    }
    std::string found;
    const auto ids = small.tokenizer.encode(text);
    for (const int32_t id : ids.value()) {
      found += std::string(small.tokenizer.text_of(id)) + "|";
    }
    ASSERT_EQ(found, expected) << text;
  }
}

TEST(SpecialTokens, LeftmostLongestByDefinition) {
  Keys keys = byte_level_keys();
  const std::vector<std::string> words = {"<a", "<ab>", "b>c", "a", "aaaab", "<s>a", "c<s>"};
  for (size_t i = 0; i < words.size(); ++i) keys.add(words[i], i % 2 == 0 ? 3 : 4);
  const Small small = make(keys);
  std::mt19937 random(4);
  for (int round = 0; round < 2000; ++round) {
    const std::string text = random_bytes(random, "<s>abc", random() % 30);
    for (const bool special : {true, false}) {
      std::vector<int32_t> expected;
      for (size_t at = 0; at < text.size();) {
        int32_t best = -1;
        size_t length = 0;
        for (int32_t id = 262; id < small.tokenizer.size(); ++id) {
          const std::string& word = keys.tokens[id];
          const bool counts = special || keys.types[id] == 4;
          if (counts && word.size() > length && text.compare(at, word.size(), word) == 0) {
            best = id;
            length = word.size();
          }
        }
        if (best >= 0) expected.push_back(best);
        at += best >= 0 ? length : 1;
      }
      std::vector<int32_t> found;
      const auto ids = small.tokenizer.encode(text, {.add_bos = false, .parse_special = special}).value();
      std::copy_if(ids.begin(), ids.end(), std::back_inserter(found), [](int32_t id) { return id >= 262; });
      ASSERT_EQ(found, expected) << text << " " << special;
    }
  }
}

TEST(SpecialTokens, TextNeverMergesIntoOne) {
  Keys keys = spm_keys();
  keys.add("<s", 1, 0);
  const Small small = make(keys);
  const auto ids = small.tokenizer.encode("<s>", {.add_bos = false, .parse_special = false}).value();
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 1), 0);
  EXPECT_EQ(small.tokenizer.encode("<0x41>", {.add_bos = false, .parse_special = true}).value().size(), 7u);
}

TEST(Encode, SpacePrefixAndEnds) {
  Keys keys = spm_keys();
  keys.flags = {{"add_eos_token", true}};
  const Small small = make(keys);
  EXPECT_EQ(small.tokenizer.encode("ab").value(), (std::vector<int32_t>{1, 261, 2}));  // <s> ▁ab </s>
  EXPECT_EQ(small.tokenizer.encode("ab<s>ab", {.add_bos = false, .parse_special = true}).value(),
            (std::vector<int32_t>{261, 1, 261}));
  EXPECT_EQ(small.tokenizer.encode("").value(), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(small.tokenizer.decode(std::vector<int32_t>{1, 261, 261, 2}, false), "ab ab");
}

TEST(Encode, SameFromManyThreads) {
  const Small small = make(byte_level_keys());
  std::mt19937 random(5);
  const std::string text = random_bytes(random, "aab c\n", 20000);
  const std::vector<int32_t> expected = small.tokenizer.encode(text).value();
  std::vector<std::thread> threads;
  std::vector<std::vector<int32_t>> found(4);
  for (auto& ids : found) threads.emplace_back([&] { ids = small.tokenizer.encode(text).value(); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& ids : found) EXPECT_EQ(ids, expected);
}

/// Processor time of this program, so that others on the machine count for little.
double seconds(const Tokenizer& tokenizer, const std::string& text) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const std::clock_t start = std::clock();
    EXPECT_TRUE(tokenizer.encode(text).ok());
    best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

TEST(Encode, TakesTimeInProportionToTheText) {
  // Eight times the text: a linear encoder takes 8 times as long, up to 12 where the longer text leaves the
  // second-level cache; a quadratic one 64 times.
  constexpr int kTimes = 8;
  constexpr double kLimit = 24;
  Keys keys = byte_level_keys();
  keys.add("<" + std::string(5000, 'a') + ">", 3);  // a special token that the text almost is, everywhere
  const Small bytes = make(keys);
  const Small spm = make(spm_keys());
  for (const std::string unit : {"a", " ", "<a", "ab c.", "1", "\xE2\x82", "é", "'", "\n "}) {
    std::string text;
    while (text.size() < 50000) text += unit;
    std::string longer;
    for (int i = 0; i < kTimes; ++i) longer += text;
    for (const Small* small : {&bytes, &spm}) {
      EXPECT_LT(seconds(small->tokenizer, longer), kLimit * seconds(small->tokenizer, text)) << unit;
    }
  }
}

}  // namespace
}  // namespace pellucid::tokenizer::test
