#include "model/products.h"

#include <vector>

namespace pellucid::model {

Input::Input(const Pass& pass, const float* x, int n_rows, int n_cols,
             std::initializer_list<Product> products)
    : pass_(pass), x_(x), n_rows_(n_rows), n_cols_(n_cols) {
  const bool quantized = std::any_of(products.begin(), products.end(),
                                     [](const Product& product) { return product.weight.wants_quantized(); });
  if (quantized && n_rows < kFewRows) {
    private_id_ = pass.s.new_private_rows(pass.pool.size());
  } else if (quantized) {
    constexpr int kTokens = kernels::kStripTokens;
    pass.pool.run((n_rows + kTokens - 1) / kTokens, [&](int strip, int) {
      const int t = strip * kTokens;
      pass.kernels().quantize(row(x, t, n_cols), std::min(kTokens, n_rows - t), n_cols,
                              pass.s.quantized.rows().from(t, n_cols));
    });
  }
}

kernels::Activations Input::rows(int first, int n_rows, int worker) const {
  kernels::QuantizedRows quantized = pass_.s.quantized.rows();
  if (private_id_ != 0) {
    PrivateRows& own = pass_.s.private_rows[static_cast<size_t>(worker)];
    quantized = own.rows.rows();
    if (own.id != private_id_) pass_.kernels().quantize(x_, n_rows_, n_cols_, quantized);
    own.id = private_id_;
  }
  return {row(x_, first, n_cols_), quantized.from(first, n_cols_), n_rows, n_cols_};
}

Tiles::Tiles(const kernels::PackedMatrix& matrix, int n_rows, int streams)
    : n_rows_(n_rows), row_tiles_((n_rows + kRows - 1) / kRows) {
  // Few rows are bound by memory: small tasks leave no thread waiting. Many are read again for each task.
  const int n_groups = matrix.n_groups();
  const int n_runs = n_rows == 1 ? streams : 1;
  const int length = kernels::run_length(matrix, n_runs);
  runs_ = {0, length, n_runs, length};
  rest_ = {n_runs * length, n_groups};
  groups_ = n_rows < kFewRows ? std::clamp(n_groups / 64 / n_runs, 2, 32 / n_runs)
                              : std::clamp(n_groups / 8, 4, 32);
  const auto tiles_of = [](int n, int groups) { return (n + groups - 1) / groups; };
  run_tiles_ = tiles_of(length, groups_);
  rest_tiles_ = tiles_of(rest_.end - rest_.begin, groups_ * n_runs);
}

Tile Tiles::operator[](int i) const {
  const int index = i / row_tiles_;
  const int first_row = i % row_tiles_ * kRows;
  const bool of_runs = index < run_tiles_;
  kernels::Groups groups = of_runs ? runs_ : rest_;
  const int step = of_runs ? groups_ : groups_ * runs_.n_runs;
  groups.begin += (of_runs ? index : index - run_tiles_) * step;
  groups.end = std::min(groups.begin + step, groups.end);
  return {groups, first_row, std::min(n_rows_, first_row + kRows)};
}

Tiles tiles(const Pass& p, const Product& product, int n_rows) {
  return {product.weight, n_rows, p.kernels().streams};
}

void multiply(const Pass& p, const Input& input, const Product& product, const Tile& tile, int worker) {
  const int n = product.weight.n_rows;
  p.kernels().matmul(product.weight, input.rows(tile.row_begin, tile.row_end - tile.row_begin, worker),
                     row(product.y, tile.row_begin, n), n, tile.groups);
}

void multiply(const Pass& p, const float* x, int n_rows, int n_cols,
              std::initializer_list<Product> products) {
  const Input input(p, x, n_rows, n_cols, products);
  std::vector<Tiles> its;  // of each product
  int n_tasks = 0;
  for (const Product& product : products) n_tasks += its.emplace_back(tiles(p, product, n_rows)).size();
  p.pool.run(n_tasks, [&](int task, int worker) {
    size_t i = 0;
    for (; task >= its[i].size(); ++i) task -= its[i].size();
    multiply(p, input, products.begin()[i], its[i][task], worker);
  });
}

}  // namespace pellucid::model
