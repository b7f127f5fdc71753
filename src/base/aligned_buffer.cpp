#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <limits>

namespace pellucid::detail {
namespace {

constexpr size_t kAlignment = 64;
// From here on memory comes straight from the system, zeroed as its pages are touched: nothing is written
// twice.
constexpr size_t kMappedBytes = size_t{1} << 20;

}  // namespace

void* allocate_aligned(size_t bytes) {
  if (bytes > std::numeric_limits<size_t>::max() - kAlignment) return nullptr;
  if (bytes >= kMappedBytes) {
    void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) return nullptr;
    ::madvise(address, bytes, MADV_HUGEPAGE);  // fewer TLB misses when a step walks all the weights
    return address;
  }
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* address = std::aligned_alloc(kAlignment, rounded);
  if (address != nullptr) std::memset(address, 0, rounded);
  return address;
}

void free_aligned(void* address, size_t bytes) {
  if (bytes >= kMappedBytes) {
    ::munmap(address, bytes);
  } else {
    std::free(address);
  }
}

}  // namespace pellucid::detail
