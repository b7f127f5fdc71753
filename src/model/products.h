// The products of a batch with weight matrices: activations quantised, the work cut into tiles, the tiles
// spread over threads.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "model/pass.h"

namespace pellucid::model {

/// One product: y [n_rows, matrix rows].
struct Product {
  const kernels::PackedMatrix& weight;
  float* y;
};

/// The activations that `products` read, in the form that their matrices want: x [n_rows, n_cols], normalised
/// by `norm` where there is one (n_cols is n_embd then).
class Input {
 public:
  Input(const Pass& pass, const float* x, int n_rows, int n_cols, std::initializer_list<Product> products,
        const Norm* norm = nullptr);

  /// Rows from `row` on, as worker `worker` reads them. Each worker makes few rows for itself, when it first
  /// asks.
  [[nodiscard]] kernels::Activations rows(int row, int n_rows, int worker) const;

 private:
  [[nodiscard]] kernels::QuantizedRows shared_rows(int row) const;
  /// Makes rows [begin, end) of `floats` and `quantized`, which begin with row `begin`; gives the floats.
  const float* make(int begin, int end, float* floats, const kernels::QuantizedRows& quantized) const;

  const Pass& pass_;
  const float* x_;
  int n_rows_;
  int n_cols_;
  const Norm* norm_;
  bool quantized_;
  uint64_t private_id_ = 0;  // 0: all workers read the same
};

/// A piece of a product: the outputs of some groups of 16 of the matrix's rows, for some rows of the batch.
struct Tile {
  kernels::Groups groups;
  int row_begin = 0;
  int row_end = 0;
};

/// Rows of a tile of a batch of n_rows: whole strips. Many rows are an even number of tiles, for two threads
/// are the fewest that share them.
int tile_rows(int n_rows);

/// The tiles that together are all groups of a matrix and all rows of a batch. How they are cut never depends
/// on the number of threads. Those of the same rows follow each other: a worker that begins with a part of
/// all tasks keeps its rows in its own cache from one product to the next, which costs less than what it
/// saves to read weights once. Those of one row take their groups from `streams` runs, each of which the next
/// tile goes on with.
class Tiles {
 public:
  Tiles(const kernels::PackedMatrix& matrix, int n_rows, int streams);

  [[nodiscard]] int size() const { return row_tiles_ * group_tiles(); }
  [[nodiscard]] int row_tiles() const { return row_tiles_; }
  [[nodiscard]] int group_tiles() const { return run_tiles_ + rest_tiles_; }  // of the same rows
  [[nodiscard]] Tile at(int row_tile, int group_tile) const;
  [[nodiscard]] Tile operator[](int i) const { return at(i / group_tiles(), i % group_tiles()); }

 private:
  int n_rows_;
  int rows_;  // of a tile
  int row_tiles_;
  int groups_;            // of each run that a tile takes
  int run_tiles_;         // of the same rows
  int rest_tiles_;        // the same, of the rest
  kernels::Groups runs_;  // of the same length
  kernels::Groups rest_;  // what they leave over
};

/// The tiles of `product` for n_rows rows.
Tiles tiles(const Pass& p, const Product& product, int n_rows);

/// A tile of it.
void multiply(const Pass& p, const Input& input, const Product& product, const Tile& tile, int worker);

/// Several products of the same activations, in one parallel region.
void multiply(const Pass& p, const Input& input, int n_rows, std::initializer_list<Product> products);

}  // namespace pellucid::model
