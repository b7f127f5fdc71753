#include "base/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pellucid {
namespace {

TEST(Arena, PiecesAreAlignedZeroAndApart) {
  Arena arena;
  const std::vector<size_t> sizes{1, 64, 65, 1000, size_t{70} << 20, 3, size_t{40} << 20, size_t{40} << 20};
  std::vector<std::shared_ptr<std::byte[]>> pieces;
  for (const size_t size : sizes) {
    pieces.push_back(arena.take(size));
    std::byte* piece = pieces.back().get();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece) % 64, 0u);
    EXPECT_EQ(std::count(piece, piece + size, std::byte{0}), static_cast<ptrdiff_t>(size));
    std::fill_n(piece, size, std::byte{static_cast<uint8_t>(pieces.size())});
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    const std::byte mark{static_cast<uint8_t>(i + 1)};
    EXPECT_EQ(std::count(pieces[i].get(), pieces[i].get() + sizes[i], mark),
              static_cast<ptrdiff_t>(sizes[i]));
  }
}

TEST(Arena, NeighboursLieInARow) {
  Arena arena;
  const auto first = arena.take(100);
  EXPECT_EQ(arena.take(1).get(), first.get() + 128);
}

TEST(Arena, PiecesOutliveIt) {
  std::shared_ptr<std::byte[]> piece;
  {
    Arena arena;
    piece = arena.take(4096);
  }
  std::fill_n(piece.get(), 4096, std::byte{7});  // the address sanitizer would know
  EXPECT_EQ(piece[4095], std::byte{7});
}

TEST(Arena, NothingIsNoPiece) { EXPECT_EQ(Arena().take(0), nullptr); }

}  // namespace
}  // namespace pellucid
