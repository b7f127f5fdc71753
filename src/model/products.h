// The products of a batch with weight matrices: activations quantised, the work cut into tiles, the tiles
// spread over threads.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>

#include "model/pass.h"

namespace pellucid::model {

/// One product: y [n_rows, matrix rows].
struct Product {
  const kernels::PackedMatrix& weight;
  float* y;
};

/// Outputs of a product for the rows of a tile, where a worker has just left them.
struct Outputs {
  int first;  // output
  int n;
  int row_begin, row_end;
  float* y;  // of row_begin
  int64_t stride;

  [[nodiscard]] float* row(int t) const { return y + (t - row_begin) * stride; }
  /// Into their place in `matrix`, rows of n_cols, unless they are there.
  void copy_to(float* matrix, int n_cols) const;
};

/// The activations that products read: x [n_rows, n_cols], normalised by `norm` where there is one (n_cols is
/// n_embd then), and quantised if a matrix wants that. Each worker has one of its own.
class Input {
 public:
  Input(const Pass& pass, const float* x, int n_rows, int n_cols, bool quantized, const Norm* norm = nullptr);
  /// One that is made of what put() gets of two rows or more, part after part: they are quantised at once if
  /// they are to be, once for all workers and before their floats leave a processor's own cache; else they go
  /// to x. Up to a strip of rows, parts lie in x already. A single row is made as others are.
  static Input of_parts(const Pass& pass, float* x, int n_rows, int n_cols, bool quantized);
  /// Takes a part of it. Of a single row there is nothing to do.
  void put(const Outputs& part) const;

  /// Before the region that reads it: makes many rows, on all threads, unless put() does.
  void share() const;
  /// Where worker `worker` begins to read it: makes few rows, which is sooner done by each than passed from
  /// one processor to another, unless put() does.
  void begin(int worker);
  /// Rows from `row` on.
  [[nodiscard]] kernels::Activations rows(int row, int n_rows) const;
  /// Whether they are one strip at most: what only one worker could make, while the others wait.
  [[nodiscard]] bool is_few() const;
  /// Memory of the worker's own.
  [[nodiscard]] PrivateRows& own() const;

 private:
  /// Whether put() makes it.
  [[nodiscard]] bool is_put() const;
  [[nodiscard]] kernels::QuantizedRows quantized_rows(int row) const;
  void make(int begin, int end) const;

  const Pass* pass_;
  const float* x_;
  int n_rows_;
  int n_cols_;
  const Norm* norm_;
  bool is_quantized_;
  int widest_;            // of the inputs that lie there in turns
  float* put_ = nullptr;  // x of those that are made of parts
  int worker_ = 0;
  float* normalized_;  // [n_rows, n_cols]
  kernels::QuantizedRows quantized_;
};

/// A piece of a product: the outputs of some groups of 16 of the matrix's rows, for some rows of the batch.
struct Tile {
  kernels::Groups groups;
  int row_begin = 0;
  int row_end = 0;
};

/// Rows of a tile of a batch of n_rows: whole strips. Many rows are an even number of tiles, for two threads
/// are the fewest that share them.
int tile_rows(int n_rows, kernels::StripLayout layout);

/// The tiles that together are all groups of a matrix and all rows of a batch. How they are cut never depends
/// on the number of threads. Those of the same rows follow each other: a worker that begins with a part of
/// all tasks keeps its rows in its own cache from one product to the next, which saves more than reading
/// weights once for all rows would. Those of one row take their groups from `streams` runs, each of which the
/// next tile goes on with.
class Tiles {
 public:
  Tiles(const kernels::PackedMatrix& matrix, int n_rows, const kernels::KernelTable& kernels);

  [[nodiscard]] int size() const { return row_tiles_ * group_tiles(); }
  [[nodiscard]] int row_tiles() const { return row_tiles_; }
  [[nodiscard]] int group_tiles() const { return run_tiles_ + rest_tiles_; }  // of the same rows
  [[nodiscard]] Tile at(int row_tile, int group_tile) const;
  [[nodiscard]] Tile operator[](int i) const { return at(i / group_tiles(), i % group_tiles()); }

 private:
  int n_rows_;
  int rows_;  // of a tile
  int row_tiles_;
  int groups_;      // of each run that a tile takes
  int run_tiles_;   // of the same rows
  int rest_tiles_;  // the same, of the rest
  kernels::GroupRuns cut_;
};

/// The tiles of `product` for n_rows rows.
Tiles tiles(const Pass& p, const Product& product, int n_rows);

/// Some groups of a tile multiplied by its rows. y: where the first output of the first row goes.
void multiply_groups(const Pass& p, const Input& input, const kernels::PackedMatrix& weight, const Tile& tile,
                     const kernels::Groups& groups, float* y, int64_t stride);

/// The part that is the outputs of groups [begin, end), the first one at y.
Outputs part_of(const kernels::PackedMatrix& weight, const Tile& tile, int begin, int end, float* y,
                int64_t stride);

/// A tile of products of one shape: body(parts) for the parts that together are it, one of each product. Few
/// rows are made where they stay. Many are left in the worker's own memory, some groups at a time, from where
/// the body puts them: a group's product with a row is one line of memory, and to fetch the lines of 64 rows
/// takes a fifth of the time of a product of 576 columns.
template <size_t kProducts, typename Body>
void multiply(const Pass& p, const Input& input, const std::array<Product, kProducts>& products,
              const Tile& tile, const Body& body) {
  static_assert(kProducts <= kMaxProducts);
  std::array<Outputs, kProducts> parts{};
  const auto [begin, end, n_runs, stride] = tile.groups;
  if (input.is_few()) {
    assert(tile.row_begin == 0);  // few rows are one tile
    for (const auto& [weight, y] : products) {
      multiply_groups(p, input, weight, tile, tile.groups, y + ptrdiff_t{begin} * kernels::kLanes,
                      weight.n_rows);
    }
    for (int run = 0; run < n_runs; ++run) {
      for (size_t i = 0; i < kProducts; ++i) {
        const auto& [weight, y] = products[i];
        const int first = begin + run * stride;
        parts[i] = part_of(weight, tile, first, end + run * stride, y + ptrdiff_t{first} * kernels::kLanes,
                           weight.n_rows);
      }
      body(parts);
    }
    return;
  }
  assert(n_runs == 1);
  for (int g = begin; g < end; g += kPartGroups) {
    const int part_end = std::min(g + kPartGroups, end);
    for (size_t i = 0; i < kProducts; ++i) {
      const kernels::PackedMatrix& weight = products[i].weight;
      float* y = input.own().outputs.data() + i * kPartFloats;
      multiply_groups(p, input, weight, tile, {g, part_end}, y, kPartCols);
      parts[i] = part_of(weight, tile, g, part_end, y, kPartCols);
    }
    body(parts);
  }
}

/// Runs a parallel region of products of one input. `region` is a small value of which each worker gets a
/// copy: what it needs to know comes with its tasks, and the rest it makes for itself. It has
///   Input input() const;
///   (a value with size()) tasks() const;
///   void run(const Input& input, const (that value)& tasks, int task) const;
template <typename Region>
void run_region(ThreadPool& pool, const Region& region) {
  region.input().share();
  pool.run_begun(region.tasks().size(), [region](int worker) {
    Input input = region.input();
    input.begin(worker);
    return [region, input, tasks = region.tasks()](int task) { region.run(input, tasks, task); };
  });
}

}  // namespace pellucid::model
