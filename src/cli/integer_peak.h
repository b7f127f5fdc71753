// The peak of the machine's int8 arithmetic, as the yardstick of the prefill rate.
#pragma once

#include <string_view>

#include "base/thread_pool.h"

namespace pellucid::cli {

/// Multiplies and adds int8 values in registers alone, with the best instruction that the kernels use.
class IntegerPeakProbe {
 public:
  IntegerPeakProbe();
  /// Multiply-adds per second of the fastest of several passes, all threads of `pool` together.
  double measure(ThreadPool& pool) const;
  /// The instruction, such as "vpdpbusd, 512 bits".
  [[nodiscard]] std::string_view how() const { return how_; }

 private:
  using Loop = int (*)(int rounds);

  Loop loop_;
  int macs_per_round_;
  std::string_view how_;
};

}  // namespace pellucid::cli
