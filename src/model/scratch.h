// The activation buffers of a forward pass, sized once for the largest batch and used again by every step.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/quantized_buffer.h"
#include "model/spec.h"

namespace pellucid::model {

/// Batches of fewer rows than this are too small for their rows to be spread over threads.
inline constexpr int kFewRows = 8;

/// The widest strip.
inline constexpr int kPrivateRows = kernels::whole_strip(kernels::StripLayout::kTiles);

/// Rows of a tile of a product, at most: those whose sums stay in the first cache.
inline constexpr int kTileRows = 64;
/// Groups of a tile that a worker multiplies by its rows before it puts the outputs where they stay.
inline constexpr int kPartGroups = 8;
inline constexpr int kPartCols = kPartGroups * kernels::kLanes;
static_assert(kPartCols % kernels::kBlockValues == 0);  // which are quantised block by block
inline constexpr size_t kPartFloats = size_t{kTileRows} * kPartCols;
/// Products that a worker multiplies side by side, at most.
inline constexpr size_t kMaxProducts = 2;

/// A worker's own memory. What it makes for itself of few rows is sooner made by each than passed between
/// processors.
struct alignas(64) PrivateRows {
  AlignedBuffer<float> floats;  // [kPrivateRows, n_embd]: normalised
  kernels::QuantizedBuffer quantized;
  AlignedBuffer<float> queries;  // the heads of a kv head
  AlignedBuffer<float> outputs;  // [kMaxProducts, kTileRows, kPartCols]: of products
  double product_seconds = 0;    // spent in products of matrices, where that is measured
};

/// Rows are batch tokens. Not shared between concurrent passes.
struct Scratch {
  Scratch(const ArchSpec& spec, int max_tokens);

  /// What each token's floats take, but for those of `up`; its quantised form is less than that again.
  static size_t float_bytes_of_token(const ArchSpec& spec);

  int max_tokens;
  AlignedBuffer<float> x;       // [max_tokens, n_embd]: the residual stream
  AlignedBuffer<float> h;       // [max_tokens, n_embd]: a block's input; its output, where that is read
  AlignedBuffer<float> q;       // [max_tokens, q_width]
  AlignedBuffer<float> k;       // [max_tokens, kv_width]
  AlignedBuffer<float> v;       // [max_tokens, kv_width]
  AlignedBuffer<float> mixed;   // [max_tokens, q_width]: attention before its output projection
  AlignedBuffer<float> hidden;  // [max_tokens, n_ff]: the FFN between its products
  AlignedBuffer<float> up;      // [kPrivateRows, n_ff]: of few rows
  AlignedBuffer<float> cos;     // [2, max_tokens, n_rot / 2]: global layers, then local ones
  AlignedBuffer<float> sin;
  kernels::QuantizedBuffer quantized;                // [max_tokens, widest other input of a product]
  kernels::QuantizedBuffer quantized_hidden;         // [max_tokens, n_ff]: the FFN's, of two rows or more
  AlignedBuffer<kernels::AttentionPart> parts;       // [max_tokens, n_heads]
  AlignedBuffer<kernels::AttentionPart> span_parts;  // [spans, n_heads] of one token, grown with the context
  AlignedBuffer<float> span_values;                  // [spans, n_heads, head_dim]
  std::vector<PrivateRows> private_rows;             // one a worker
  bool times_products = false;                       // measures PrivateRows::product_seconds
  std::vector<double> frequencies;                   // [n_rot / 2], made at the first pass
  std::vector<double> local_frequencies;

  /// Columns of the widest input of a product other than the last one of the FFN, whole blocks.
  [[nodiscard]] int widest_input() const { return widest_input_; }
  /// Has private rows for so many workers.
  void reserve_workers(int n_workers);
  /// Makes room for the spans of one token's attention.
  void reserve_spans(int n_spans, int n_heads, int head_dim);

 private:
  int n_embd_;
  int q_width_;
  int n_ff_;
  int widest_input_;
};

}  // namespace pellucid::model
