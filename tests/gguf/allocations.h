// Counts what a test program allocates. Linking allocations.cpp replaces operator new and delete.
#pragma once

#include <cstdint>

namespace pellucid::test {

/// The bytes that operator new has given out so far, in all threads, whether freed since or not.
uint64_t allocated_bytes();

}  // namespace pellucid::test
