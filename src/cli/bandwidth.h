// The read bandwidth of the machine, as the yardstick of the decode rate.
#pragma once

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"

namespace pellucid::cli {

/// Reads a buffer much larger than the caches with all threads of a pool.
class BandwidthProbe {
 public:
  BandwidthProbe();
  /// Bytes per second of one pass over the buffer with `n_threads` threads.
  double measure(int n_threads) const;

 private:
  AlignedBuffer<uint64_t> buffer_;
};

}  // namespace pellucid::cli
