// Utf8Stream: any split of the bytes gives the same text, and no part of it ends inside a character.
#include "tokenizer/utf8_stream.h"

#include <gtest/gtest.h>

#include <random>

#include "tokenizer/utf8.h"

namespace pellucid::tokenizer {
namespace {

bool is_well_formed(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = utf8_step(text.substr(i));
    if (step.kind != Utf8Step::kCharacter) return false;
    i += step.length;
  }
  return true;
}

std::string convert(std::string_view bytes) {
  Utf8Stream stream;
  std::string text = stream.push(bytes);
  return text + stream.finish();
}

TEST(Utf8Stream, KeepsWellFormedText) {
  const std::string text = "aé€😀\x01 \U0010FFFF\uFFFD\uD7FF\uE000z";
  EXPECT_EQ(convert(text), text);
}

// Unicode 15.0 section 3.9, tables 3-8 to 3-11, and the examples of the WHATWG Encoding Standard's decoder.
TEST(Utf8Stream, ReplacesMaximalSubparts) {
  const auto replaced = [](int n) {
    std::string text;
    while (n-- > 0) text += "\uFFFD";
    return text;
  };
  EXPECT_EQ(convert("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), replaced(8) + "A");
  EXPECT_EQ(convert("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), replaced(8) + "A");
  EXPECT_EQ(convert("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), replaced(5) + "A" + replaced(2) + "B");
  EXPECT_EQ(convert("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), replaced(4) + "A");
  EXPECT_EQ(convert("\xF0\x9F\x98"), replaced(1));
  EXPECT_EQ(convert("\xE2\x82 x"), replaced(1) + " x");
}

TEST(Utf8Stream, AnySplitGivesTheSame) {
  const std::string samples[] = {"aé€😀z", "\xF0\x9F\x98\x41\xE2\x82\xC3", "\xE2\x82\xE2\x82\xAC\x80\xF4\x90",
                                 "👩‍👩‍👧日本\xFF\xC3\xA9"};
  for (const std::string& bytes : samples) {
    const std::string whole = convert(bytes);
    for (size_t a = 0; a <= bytes.size(); ++a) {
      for (size_t b = a; b <= bytes.size(); ++b) {
        Utf8Stream stream;
        const std::string parts[] = {stream.push(bytes.substr(0, a)), stream.push(bytes.substr(a, b - a)),
                                     stream.push(bytes.substr(b)), stream.finish()};
        std::string text;
        for (const std::string& part : parts) {
          EXPECT_TRUE(is_well_formed(part));
          text += part;
        }
        EXPECT_EQ(text, whole) << a << " " << b;
      }
    }
  }
}

TEST(Utf8Stream, EmitsACharacterAsSoonAsItIsComplete) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("\xF0"), "");
  EXPECT_EQ(stream.push("\x9F\x98"), "");
  EXPECT_EQ(stream.push("\x80\xC3"), "😀");
  const Utf8Stream copy = stream;
  EXPECT_EQ(stream.push("\xA9"), "é");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(Utf8Stream(copy).push("\xA8"), "è");
  EXPECT_EQ(Utf8Stream(copy).finish(), "\uFFFD");
}

TEST(Utf8Stream, RandomBytesByteByByte) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 24; ++i) {
      constexpr uint8_t kTelling[] = {0x41, 0x80, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xE2, 0xED, 0xF0, 0xF4, 0xFF};
      bytes.push_back(static_cast<char>(kTelling[random() % std::size(kTelling)]));
    }
    Utf8Stream stream;
    std::string text;
    for (const char byte : bytes) {
      const std::string part = stream.push({&byte, 1});
      ASSERT_TRUE(is_well_formed(part));
      text += part;
    }
    ASSERT_EQ(text + stream.finish(), convert(bytes));
  }
}

}  // namespace
}  // namespace pellucid::tokenizer
