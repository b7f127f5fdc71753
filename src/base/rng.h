// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
// easy as 1, 2, 3" (SC 2011): a pure function from (key, counter) to random words. Nothing is stored between
// calls, so the draw of any step can be made again, in any order, from its address alone.
#pragma once

#include <array>
#include <cstdint>

namespace pellucid {

using PhiloxKey = std::array<uint32_t, 2>;
using PhiloxCounter = std::array<uint32_t, 4>;

/// Ten rounds of Philox4x32; equal to Random123's philox4x32 for the same key and counter.
PhiloxCounter philox4x32(PhiloxKey key, PhiloxCounter counter);

/// A draw as data: where it came from and what it is.
struct RandomDraw {
  PhiloxKey key;          // the seed, low word first
  PhiloxCounter counter;  // step (64 bits, low word first), stream (64 bits, low word first)
  uint64_t integer;       // 53 random bits
  double u;               // integer / 2^53, in [0, 1)
};

/// The draw of (seed, stream, step).
RandomDraw random_draw(uint64_t seed, uint64_t stream, uint64_t step);

}  // namespace pellucid
