// The memory of quantised activations.
#pragma once

#include "base/aligned_buffer.h"
#include "kernels/table.h"

namespace pellucid::kernels {

/// Room for n_tokens rows of n_cols values; rows narrower than that may be kept in it, too.
class QuantizedBuffer {
 public:
  QuantizedBuffer() = default;
  QuantizedBuffer(size_t n_tokens, size_t n_cols)
      : QuantizedBuffer(with_copies(n_tokens) * ((n_cols + kBlockValues - 1) / kBlockValues)) {}

  [[nodiscard]] QuantizedRows rows() {
    return {low_.data(), high_.data(), high_groups_.data(), sums_.data(), firsts_.data(), scales_.data()};
  }

 private:
  /// The tokens that the strips of n_tokens have.
  static constexpr size_t with_copies(size_t n_tokens) {
    constexpr size_t kWhole = whole_strip(StripLayout::kTiles);
    const size_t last = n_tokens % kWhole;
    return last < fewest_of_strip(StripLayout::kTiles) ? n_tokens : n_tokens - last + kWhole;
  }

  explicit QuantizedBuffer(size_t n_blocks)
      : low_(static_cast<size_t>(strip_row_bytes(StripLayout::kTiles, kBlockValues)) * n_blocks),
        high_(n_blocks * 4),
        high_groups_(n_blocks),
        sums_(n_blocks),
        firsts_(n_blocks),
        scales_(n_blocks) {}

  AlignedBuffer<int8_t> low_;
  AlignedBuffer<int8_t> high_;
  AlignedBuffer<uint8_t> high_groups_;
  AlignedBuffer<int32_t> sums_;
  AlignedBuffer<int32_t> firsts_;
  AlignedBuffer<float> scales_;
};

}  // namespace pellucid::kernels
