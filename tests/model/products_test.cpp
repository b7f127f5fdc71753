// How products are cut into tiles.
#include "model/products.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace pellucid::model {
namespace {

/// What tiles depend on of a level.
kernels::KernelTable level(kernels::StripLayout layout, uint8_t streams) {
  kernels::KernelTable table{};
  table.strip_layout = layout;
  table.streams = streams;
  return table;
}

TEST(Tiles, AreAllGroupsAndRowsOnce) {
  using enum kernels::StripLayout;
  for (const kernels::KernelTable& table : {level(kFours, 1), level(kBiasedFours, 4), level(kTiles, 4)}) {
    for (const int n_groups : {1, 3, 4, 12, 36, 96, 128, 352, 3072}) {
      for (const int n_rows : {1, 2, 7, 8, 15, 16, 17, 64, 65, 130, 300, 512}) {
        kernels::PackedMatrix matrix;
        matrix.n_rows = n_groups * kernels::kLanes;
        matrix.group_bytes = 5760;
        const Tiles tiles(matrix, n_rows, table);
        std::vector<int> seen(static_cast<size_t>(n_groups) * n_rows);
        for (int i = 0; i < tiles.size(); ++i) {
          const Tile tile = tiles[i];
          EXPECT_LT(tile.groups.begin, tile.groups.end);
          EXPECT_LT(tile.row_begin, tile.row_end);
          EXPECT_EQ(tile.row_begin % kernels::whole_strip(table.strip_layout), 0);
          if (n_rows > 1) {
            EXPECT_EQ(tile.groups.begin % 2, 0);  // blocks of 32 outputs are of one tile
            EXPECT_EQ(tile.groups.n_runs, 1);
          }
          for (int run = 0; run < tile.groups.n_runs; ++run) {
            for (int g = tile.groups.begin; g < tile.groups.end; ++g) {
              for (int t = tile.row_begin; t < tile.row_end; ++t) {
                ++seen.at(static_cast<size_t>(g + run * tile.groups.stride) * n_rows + t);
              }
            }
          }
        }
        EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), std::ssize(seen))
            << n_groups << " groups, " << n_rows << " rows, " << int{table.streams} << " streams";
      }
    }
  }
}

TEST(Tiles, OfOneRowGoOnWithEachRun) {
  kernels::PackedMatrix matrix;
  matrix.n_rows = 96 * kernels::kLanes;
  matrix.group_bytes = 5760;
  const Tiles tiles(matrix, 1, level(kernels::StripLayout::kFours, 4));
  for (int i = 1; i < tiles.size() && tiles[i].groups.n_runs == 4; ++i) {
    EXPECT_EQ(tiles[i].groups.begin, tiles[i - 1].groups.end);
    EXPECT_EQ(tiles[i].groups.stride, tiles[i - 1].groups.stride);
  }
}

}  // namespace
}  // namespace pellucid::model
