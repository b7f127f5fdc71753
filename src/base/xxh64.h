// XXH64 (Y. Collet, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) with seed 0: tells
// contents apart at the speed of memory. It is no defence against somebody who wants two contents to look the
// same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pellucid {

/// What `xxhsum -H1` prints of a file with these bytes.
uint64_t xxh64(std::span<const std::byte> bytes);

/// Of the 32 bits of each float, little-endian.
inline uint64_t xxh64(std::span<const float> floats) { return xxh64(std::as_bytes(floats)); }

}  // namespace pellucid
