// The memory of quantised activations.
#pragma once

#include <array>

#include "base/aligned_buffer.h"
#include "kernels/table.h"

namespace pellucid::kernels {

/// Room for n_tokens rows of n_cols values; rows narrower than that may be kept in it, too.
class QuantizedBuffer {
 public:
  QuantizedBuffer() = default;
  QuantizedBuffer(size_t n_tokens, size_t n_cols) {
    const size_t blocks = n_tokens * ((n_cols + kBlockValues - 1) / kBlockValues);
    for (Digit& digit : digits_) {
      digit = {AlignedBuffer<int8_t>(blocks * kBlockValues), AlignedBuffer<int32_t>(blocks),
               AlignedBuffer<int32_t>(blocks)};
    }
    scales_ = AlignedBuffer<float>(blocks);
    is_fine_ = AlignedBuffer<uint8_t>(blocks);
  }

  [[nodiscard]] QuantizedRows rows() {
    return {view(digits_[0]), view(digits_[1]), scales_.data(), is_fine_.data()};
  }

 private:
  struct Digit {
    AlignedBuffer<int8_t> values;
    AlignedBuffer<int32_t> sums;
    AlignedBuffer<int32_t> firsts;
  };
  static QuantizedDigit view(Digit& digit) {
    return {digit.values.data(), digit.sums.data(), digit.firsts.data()};
  }

  std::array<Digit, 2> digits_;
  AlignedBuffer<float> scales_;
  AlignedBuffer<uint8_t> is_fine_;
};

}  // namespace pellucid::kernels
