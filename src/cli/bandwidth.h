// The read bandwidth of the machine, as the yardstick of the decode rate.
#pragma once

#include <string_view>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"

namespace pellucid::cli {

/// Reads a buffer much larger than the caches, with the widest loads that the processor has.
class BandwidthProbe {
 public:
  BandwidthProbe();
  static constexpr int kStreams = 4;

  /// Bytes per second of the fastest of several passes over the buffer, shared by all threads of `pool`.
  struct Rates {
    double in_a_row;    // each thread from the first byte of its part to the last
    double in_streams;  // each thread at kStreams places in turns
  };
  [[nodiscard]] Rates measure(ThreadPool& pool) const;
  /// What it reads with, such as "64-byte loads".
  [[nodiscard]] std::string_view how() const { return how_; }

 private:
  /// Of n_streams places, `stride` bytes apart, as many bytes each.
  using Sum = uint64_t (*)(const std::byte* data, size_t stride, int n_streams);

  [[nodiscard]] double fastest(ThreadPool& pool, int n_streams) const;

  AlignedBuffer<std::byte> buffer_;
  Sum sum_;
  std::string_view how_;
};

}  // namespace pellucid::cli
