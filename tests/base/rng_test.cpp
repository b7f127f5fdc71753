#include "base/rng.h"

#include <gtest/gtest.h>

#include <set>

namespace pellucid {
namespace {

// Known answers published with Random123 (kat_vectors, philox4x32 10).
TEST(Philox, GivesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(philox4x32({0, 0}, {0, 0, 0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes}, {kOnes, kOnes, kOnes, kOnes}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0xa4093822, 0x299f31d0}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomDraw, IsAFunctionOfItsAddressAlone) {
  const RandomDraw first = random_draw(42, 3, 1000);
  random_draw(42, 3, 999);
  const RandomDraw again = random_draw(42, 3, 1000);
  EXPECT_EQ(first.integer, again.integer);
  EXPECT_EQ(first.u, again.u);
}

TEST(RandomDraw, EveryPartOfTheAddressCounts) {
  constexpr uint64_t kHigh = uint64_t{1} << 32;
  std::set<uint64_t> seen;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, kHigh}) {
    for (const uint64_t stream : {uint64_t{0}, uint64_t{1}, kHigh}) {
      for (const uint64_t step : {uint64_t{0}, uint64_t{1}, kHigh})
        seen.insert(random_draw(seed, stream, step).integer);
    }
  }
  EXPECT_EQ(seen.size(), 27u);
}

TEST(RandomDraw, IsFiftyThreeBitsOfTheFirstTwoWords) {
  const PhiloxCounter words = philox4x32({7, 0}, {5, 0, 2, 0});
  const RandomDraw draw = random_draw(7, 2, 5);
  EXPECT_EQ(draw.integer, ((uint64_t{words[1]} << 32) + words[0]) / 2048);
  EXPECT_EQ(draw.u, static_cast<double>(draw.integer) / 9007199254740992.0);
  EXPECT_LT(draw.u, 1.0);
}

}  // namespace
}  // namespace pellucid
