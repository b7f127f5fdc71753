#include "model/products.h"

#include <cassert>

#include "base/stopwatch.h"
#include "model/row_ops.h"

namespace pellucid::model {

void Outputs::copy_to(float* matrix, int n_cols) const {
  for (int t = row_begin; t < row_end; ++t) {
    float* to = model::row(matrix, t, n_cols) + first;
    if (to != row(t)) std::copy_n(row(t), n, to);
  }
}

Input::Input(const Pass& pass, const float* x, int n_rows, int n_cols, bool quantized, const Norm* norm)
    : pass_(&pass),
      x_(x),
      n_rows_(n_rows),
      n_cols_(n_cols),
      norm_(norm),
      is_quantized_(quantized),
      widest_(pass.s.widest_input()),
      normalized_(pass.s.h.data()),
      quantized_(pass.s.quantized.rows()) {}

Input Input::of_parts(const Pass& pass, float* x, int n_rows, int n_cols, bool quantized) {
  Input input(pass, x, n_rows, n_cols, quantized);
  input.put_ = x;
  input.widest_ = n_cols;
  input.quantized_ = pass.s.quantized_hidden.rows();
  return input;
}

void Input::put(const Outputs& part) const {
  if (!is_put()) return;
  if (!is_quantized_) {
    part.copy_to(put_, n_cols_);
  } else {
    assert(part.first % kernels::kBlockValues == 0 && part.n % kernels::kBlockValues == 0);
    pass_->kernels().quantize(part.y, part.stride, part.row_end - part.row_begin,
                              {part.first, part.n, n_cols_}, quantized_rows(part.row_begin));
  }
}

PrivateRows& Input::own() const { return pass_->s.private_rows[static_cast<size_t>(worker_)]; }

bool Input::is_put() const { return put_ != nullptr && n_rows_ > 1; }

bool Input::is_few() const { return n_rows_ <= kernels::whole_strip(pass_->kernels().strip_layout); }

void Input::share() const {
  if (is_few() || is_put() || (norm_ == nullptr && !is_quantized_)) return;
  const int strip = kernels::whole_strip(pass_->kernels().strip_layout);
  pass_->pool.run((n_rows_ + strip - 1) / strip,
                  [&](int i, int) { make(i * strip, std::min((i + 1) * strip, n_rows_)); });
}

void Input::begin(int worker) {
  worker_ = worker;
  if (!is_few() || is_put()) return;
  normalized_ = own().floats.data();
  quantized_ = own().quantized.rows();
  make(0, n_rows_);
}

/// Rows [begin, end).
void Input::make(int begin, int end) const {
  const float* x = row(x_, begin, n_cols_);
  if (norm_ != nullptr) {
    float* y = row(normalized_, begin, n_cols_);
    for (int t = 0; t < end - begin; ++t) {
      normalize(*pass_, *norm_, row(x, t, n_cols_), n_cols_, row(y, t, n_cols_));
    }
    x = y;
  }
  if (is_quantized_) {
    pass_->kernels().quantize(x, n_cols_, end - begin, {0, n_cols_, n_cols_}, quantized_rows(begin));
  }
}

/// Those of a tile lie where the widest input would have them: what a worker wrote stays its own when the
/// next input is wider.
kernels::QuantizedRows Input::quantized_rows(int row) const {
  const kernels::StripLayout layout = pass_->kernels().strip_layout;
  const int in_tile = row % tile_rows(n_rows_, layout);
  return quantized_.from(row - in_tile, widest_, layout).from(in_tile, n_cols_, layout);
}

kernels::Activations Input::rows(int first, int n_rows) const {
  const float* floats = norm_ != nullptr ? normalized_ : x_;
  return {row(floats, first, n_cols_), quantized_rows(first), n_rows, n_cols_};
}

int tile_rows(int n_rows, kernels::StripLayout layout) {
  const int strip = kernels::whole_strip(layout);
  if (n_rows < kTileRows / 2) return kTileRows / 2;
  const int n_tiles = (n_rows + 2 * kTileRows - 1) / (2 * kTileRows) * 2;
  return (n_rows + n_tiles * strip - 1) / (n_tiles * strip) * strip;
}

Tiles::Tiles(const kernels::PackedMatrix& matrix, int n_rows, const kernels::KernelTable& kernels)
    : n_rows_(n_rows),
      rows_(tile_rows(n_rows, kernels.strip_layout)),
      row_tiles_((n_rows + rows_ - 1) / rows_) {
  // Few rows are bound by memory: small tasks leave no thread waiting. Many are read again for each task.
  const int n_groups = matrix.n_groups();
  const int n_runs = n_rows == 1 ? kernels.streams : 1;
  cut_ = kernels::group_runs(matrix, n_runs);
  // Kernels take two groups of several rows at a time, and a block that is quantised is two (Input::put).
  const auto even = [](int n) { return n / 2 * 2; };
  groups_ = n_rows == 1         ? std::clamp(n_groups / 64 / n_runs, 2, 32 / n_runs)
            : n_rows < kFewRows ? std::clamp(even(n_groups / 24), 4, 32)
                                : std::clamp(even(n_groups / 16), 4, 32);
  const auto tiles_of = [](int n, int groups) { return (n + groups - 1) / groups; };
  // Few tiles are an even number where they can be, for two threads are the fewest that share them.
  for (int groups = groups_; n_rows > 1 && row_tiles_ == 1 && groups <= kPartGroups; groups += 2) {
    if (tiles_of(n_groups, groups) % 2 == 0) {
      groups_ = groups;
      break;
    }
  }
  run_tiles_ = tiles_of(cut_.runs.end, groups_);
  rest_tiles_ = tiles_of(cut_.rest.end - cut_.rest.begin, groups_ * n_runs);
}

Tile Tiles::at(int row_tile, int group_tile) const {
  const int first_row = row_tile * rows_;
  const bool of_runs = group_tile < run_tiles_;
  kernels::Groups groups = of_runs ? cut_.runs : cut_.rest;
  const int step = of_runs ? groups_ : groups_ * cut_.runs.n_runs;
  groups.begin += (of_runs ? group_tile : group_tile - run_tiles_) * step;
  groups.end = std::min(groups.begin + step, groups.end);
  return {groups, first_row, std::min(n_rows_, first_row + rows_)};
}

Tiles tiles(const Pass& p, const Product& product, int n_rows) {
  return {product.weight, n_rows, p.kernels()};
}

void multiply_groups(const Pass& p, const Input& input, const kernels::PackedMatrix& weight, const Tile& tile,
                     const kernels::Groups& groups, float* y, int64_t stride) {
  const kernels::Activations x = input.rows(tile.row_begin, tile.row_end - tile.row_begin);
  if (!p.s.times_products) return p.kernels().matmul(weight, x, y, stride, groups);
  const Stopwatch watch;
  p.kernels().matmul(weight, x, y, stride, groups);
  input.own().product_seconds += watch.seconds();
}

Outputs part_of(const kernels::PackedMatrix& weight, const Tile& tile, int begin, int end, float* y,
                int64_t stride) {
  const int first = begin * kernels::kLanes;
  const int n = std::min(end * kernels::kLanes, weight.n_rows) - first;
  return {first, n, tile.row_begin, tile.row_end, y, stride};
}

}  // namespace pellucid::model
