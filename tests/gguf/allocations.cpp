#include "gguf/allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<uint64_t> allocated{0};
}  // namespace

void* operator new(size_t size) {
  allocated += size;
  void* memory = std::malloc(size != 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace pellucid::test {

uint64_t allocated_bytes() { return allocated; }

}  // namespace pellucid::test
