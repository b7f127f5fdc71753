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

/// The activations x [n_rows, n_cols] that `products` read, in the form that their matrices want.
class Input {
 public:
  Input(const Pass& pass, const float* x, int n_rows, int n_cols, std::initializer_list<Product> products);

  /// Rows from `row` on, as worker `worker` reads them. Few rows are quantised by each worker for itself,
  /// when it first asks: sooner done than passed from one processor's cache to another's.
  [[nodiscard]] kernels::Activations rows(int row, int n_rows, int worker) const;

 private:
  const Pass& pass_;
  const float* x_;
  int n_rows_;
  int n_cols_;
  uint64_t private_id_ = 0;  // 0: all workers read the same
};

/// A piece of a product: the outputs of some groups of 16 of the matrix's rows, for some rows of the batch.
struct Tile {
  int group_begin, group_end;
  int row_begin, row_end;
};

/// body(tile, worker) for tiles that together are all groups and rows. How they are cut never depends on the
/// number of threads. Those of the same groups follow each other, so that weights come from memory once.
template <typename Body>
void for_tiles(const Pass& p, int n_groups, int n_rows, const Body& body) {
  constexpr int kMinGroups = 2;
  constexpr int kMaxGroups = 32;
  constexpr int kRows = 64;  // of whole strips
  // Few rows are bound by memory: small tasks leave no thread waiting. Many are read again for each task.
  const int groups = std::clamp(n_groups / (n_rows < kFewRows ? 64 : 8), kMinGroups, kMaxGroups);
  const int row_tiles = (n_rows + kRows - 1) / kRows;
  p.pool.run((n_groups + groups - 1) / groups * row_tiles, [&](int task, int worker) {
    const int group = task / row_tiles * groups;
    const int row = task % row_tiles * kRows;
    body(Tile{group, std::min(n_groups, group + groups), row, std::min(n_rows, row + kRows)}, worker);
  });
}

/// A tile of it.
void multiply(const Pass& p, const Input& input, const Product& product, const Tile& tile, int worker);

/// Several products of the same activations `x` [n_rows, n_cols], in one parallel region.
void multiply(const Pass& p, const float* x, int n_rows, int n_cols, std::initializer_list<Product> products);

}  // namespace pellucid::model
