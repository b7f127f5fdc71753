#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <limits>

namespace pellucid::detail {
namespace {
constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
}  // namespace

void* allocate_aligned(size_t bytes) {
  const size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kAlignment;
  if (bytes > std::numeric_limits<size_t>::max() - alignment) return nullptr;
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* address = nullptr;
  if (::posix_memalign(&address, alignment, rounded) != 0) return nullptr;
  // Fewer TLB misses when a step walks all the weights; only whole huge pages inside the buffer are asked
  // for.
  if (alignment == kHugePage) ::madvise(address, rounded / kHugePage * kHugePage, MADV_HUGEPAGE);
  std::memset(address, 0, rounded);
  return address;
}

void free_aligned(void* address) { std::free(address); }

}  // namespace pellucid::detail
