#include "model/products.h"

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

void multiply(const Pass& p, const Input& input, const Product& product, const Tile& tile, int worker) {
  const int n = product.weight.n_rows;
  p.kernels().matmul(product.weight, input.rows(tile.row_begin, tile.row_end - tile.row_begin, worker),
                     row(product.y, tile.row_begin, n), n, tile.group_begin, tile.group_end);
}

void multiply(const Pass& p, const float* x, int n_rows, int n_cols,
              std::initializer_list<Product> products) {
  int n_groups = 0;  // of all matrices, one below the other
  for (const Product& product : products) n_groups += product.weight.n_groups();
  const Input input(p, x, n_rows, n_cols, products);
  for_tiles(p, n_groups, n_rows, [&](const Tile& tile, int worker) {
    int first = 0;
    for (const Product& product : products) {
      const int n = product.weight.n_groups();
      const Tile part{std::max(tile.group_begin - first, 0), std::min(tile.group_end - first, n),
                      tile.row_begin, tile.row_end};
      if (part.group_begin < part.group_end) multiply(p, input, product, part, worker);
      first += n;
    }
  });
}

}  // namespace pellucid::model
