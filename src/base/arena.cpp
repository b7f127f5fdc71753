#include "base/arena.h"

#include <algorithm>

namespace pellucid {
namespace {
constexpr size_t kBlockBytes = size_t{64} << 20;  // what is not used of it takes no memory
constexpr size_t kAlignment = 64;
}  // namespace

std::shared_ptr<std::byte[]> Arena::take(size_t bytes) {
  if (bytes == 0) return nullptr;
  if (!block_ || block_->size() - used_ < bytes) {
    block_ = std::make_shared<AlignedBuffer<std::byte>>(std::max(bytes, kBlockBytes));
    used_ = 0;
  }
  std::byte* piece = block_->data() + used_;
  const size_t left = block_->size() - used_;
  used_ += std::min(left, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  return {block_, piece};
}

}  // namespace pellucid
