// A row cut into parts, which threads may take. The cut does not depend on how many threads there are, so
// neither does a sum of what the parts give.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/thread_pool.h"
#include "sampling/block.h"

namespace pellucid::sampling {

inline constexpr size_t kPart = 64 * kBlock;

/// The values f(begin, end) of all parts in order, each `kPart` tokens, the last perhaps fewer. A row of few
/// parts is not worth waking a thread; nullptr: the caller's thread alone.
template <typename F>
auto of_parts(size_t vocabulary, ThreadPool* threads, const F& f) {
  constexpr size_t kWorthwhile = 3;
  const size_t n = (vocabulary + kPart - 1) / kPart;
  std::vector<decltype(f(size_t{}, size_t{}))> values(n);
  const auto make = [&](size_t part) {
    values[part] = f(part * kPart, std::min(vocabulary, (part + 1) * kPart));
  };
  if (threads != nullptr && n >= kWorthwhile) {
    threads->run(static_cast<int>(n), [&](int part, int) { make(static_cast<size_t>(part)); });
  } else {
    for (size_t part = 0; part < n; ++part) make(part);
  }
  return values;
}

}  // namespace pellucid::sampling
