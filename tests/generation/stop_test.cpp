#include "generation/stop.h"

#include <gtest/gtest.h>

#include <random>

namespace pellucid::generation {
namespace {

/// The text as a plain search over all of it would cut it: the independent definition.
std::string cut(const std::string& text, const std::vector<std::string>& stops) {
  size_t first = std::string::npos;
  for (const std::string& stop : stops) first = std::min(first, text.find(stop));
  return text.substr(0, first);
}

TEST(StopStrings, AStopAcrossTokensIsFoundAndNotShown) {
  StopStrings stop({"</end>"});
  EXPECT_EQ(stop.push("hello </"), "hello ");
  EXPECT_EQ(stop.push("en"), "");
  EXPECT_FALSE(stop.stopped());
  EXPECT_EQ(stop.push("d> more"), "");
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.push("and more"), "");
  EXPECT_EQ(stop.finish(), "");
}

TEST(StopStrings, AFalseStartComesOut) {
  StopStrings stop({"abc"});
  EXPECT_EQ(stop.push("xab"), "x");
  EXPECT_EQ(stop.push("d"), "abd");
  EXPECT_EQ(stop.push("ab"), "");
  EXPECT_EQ(stop.finish(), "ab");
}

TEST(StopStrings, NoStringsHoldNothingBack) {
  StopStrings stop({});
  EXPECT_EQ(stop.push("anything"), "anything");
  EXPECT_FALSE(stop.stopped());
}

TEST(StopStrings, EverySplitOfRandomTextsGivesWhatASearchOfTheWholeGives) {
  std::mt19937 random(7);
  const auto word = [&](size_t longest) {
    std::string s(random() % longest + 1, 'a');
    for (char& c : s) c = static_cast<char>('a' + random() % 3);  // few letters: many false starts
    return s;
  };
  for (int round = 0; round < 20000; ++round) {
    const std::string text = word(30);
    const std::vector<std::string> stops{word(4), word(6)};
    StopStrings stop(stops);
    std::string out;
    for (size_t at = 0; at < text.size() && !stop.stopped();) {
      const size_t n = random() % 5 + 1;
      out += stop.push(std::string_view(text).substr(at, n));
      ASSERT_TRUE(cut(text, stops).starts_with(out) || stop.stopped());
      at += n;
    }
    const bool stopped = stop.stopped();
    out += stop.finish();
    // Two stops that end in the same push may begin in either order; the earlier beginning among what was
    // seen wins, and what a later push would have brought does not count.
    if (!stopped) {
      ASSERT_EQ(out, text);
    }
    ASSERT_EQ(stopped, cut(text, stops).size() != text.size());
    for (const std::string& s : stops) ASSERT_EQ(out.find(s), std::string::npos);
  }
}

}  // namespace
}  // namespace pellucid::generation
