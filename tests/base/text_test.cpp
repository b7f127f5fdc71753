// Strings made safe to print, and values in errors.
#include "base/text.h"

#include <gtest/gtest.h>

namespace pellucid {
namespace {

using namespace std::string_view_literals;

TEST(Printable, KeepsText) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("a b~"), "a b~");
  EXPECT_EQ(printable("gr\u00fc\u00df \u4f60\u597d \U0001F600"), "gr\u00fc\u00df \u4f60\u597d \U0001F600");
}

TEST(Printable, EscapesControlCharacters) {
  EXPECT_EQ(printable("a\nb\r\t\0\x1b[31m\x7f"sv), "a\\nb\\r\\t\\x00\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\u0085\u009b"), "\\x85\\x9b");  // C1: next line, control sequence introducer
}

TEST(Printable, EscapesWhatReordersOrBreaksLines) {
  EXPECT_EQ(printable("\u202e\u2028\u2066\u200f"), "\\u202e\\u2028\\u2066\\u200f");
}

TEST(Printable, EscapesMalformedUtf8ByteByByte) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("a\xc3"), "a\\xc3");                           // cut
  EXPECT_EQ(printable("\x80z"), "\\x80z");                           // continuation alone
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(printable("\xe0\x80\x80"), "\\xe0\\x80\\x80");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(printable("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80");
}

TEST(Printable, CutsAtCharacters) {
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("abcd", 3), "abc...");
  EXPECT_EQ(printable("\u00fc\u00fc\u00fc", 2), "\u00fc\u00fc...");
}

TEST(Quoted, IsOneShortLine) {
  EXPECT_EQ(in_quotes(""), "''");
  EXPECT_EQ(in_quotes("a\nb\x1b"), "'a\\nb\\x1b'");
  EXPECT_EQ(in_quotes(std::string(80, 'x')), "'" + std::string(80, 'x') + "'");
  EXPECT_EQ(in_quotes(std::string(81, 'x')), "'" + std::string(80, 'x') + "...'");
  EXPECT_EQ(in_quotes("\u00fc\u00fc\u00fc", 2), "'\u00fc\u00fc...'");  // no half of a character
}

TEST(Quoted, TellsAPathWhole) {
  const std::string path(4000, '/');
  EXPECT_EQ(in_quotes(path, kWhole), "'" + path + "'");
}

}  // namespace
}  // namespace pellucid
