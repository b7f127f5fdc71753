// Memory for what is made together and read often: pieces of large blocks, so that the system can use huge
// pages and neighbours lie in a row.
#pragma once

#include <cstddef>
#include <memory>

#include "base/aligned_buffer.h"

namespace pellucid {

class Arena {
 public:
  /// A piece of zeroed bytes, aligned to 64. It keeps its block, so it may outlive the arena. Throws
  /// std::bad_alloc where memory runs out.
  std::shared_ptr<std::byte[]> take(size_t bytes);

 private:
  std::shared_ptr<AlignedBuffer<std::byte>> block_;
  size_t used_ = 0;  // of it
};

}  // namespace pellucid
