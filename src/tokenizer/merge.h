// The loop at the heart of both kinds of BPE: merge the adjacent pair of best priority, leftmost first, until
// no pair merges.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace pellucid::tokenizer {

inline constexpr uint32_t kNoMerge = std::numeric_limits<uint32_t>::max();

/// Working memory of merge_symbols(), reused from piece to piece. `Value` is what a rule set knows of a
/// symbol. Fill `values`, merge, read `values` again.
template <typename Value>
struct MergeScratch {
  struct Link {
    uint32_t previous, next;
  };
  std::vector<Value> values;
  std::vector<uint32_t> priorities;  // of merging a symbol with the next one; lower is better
  std::vector<Link> links;
  std::vector<uint64_t> queue;  // priority << 32 | position of the left symbol: a heap of the best
};

/// Quadratic, and the fastest there is for the dozen symbols of a word.
template <typename Value, typename Rules>
void merge_short(MergeScratch<Value>& scratch, const Rules& rules) {
  auto& [values, priorities, links, queue] = scratch;
  priorities.resize(values.size());
  for (size_t i = 0; i + 1 < values.size(); ++i) priorities[i] = rules.priority(values[i], values[i + 1]);
  while (values.size() > 1) {
    const auto best = std::min_element(priorities.begin(), priorities.end() - 1);
    if (*best == kNoMerge) return;
    const auto at = best - priorities.begin();
    values[at] = rules.merge(values[at], values[at + 1], *best);
    values.erase(values.begin() + at + 1);
    priorities.erase(priorities.begin() + at + 1);
    const auto last = static_cast<std::ptrdiff_t>(values.size()) - 1;
    if (at < last) priorities[at] = rules.priority(values[at], values[at + 1]);
    if (at > 0) priorities[at - 1] = rules.priority(values[at - 1], values[at]);
  }
}

/// A linked list and a heap: n log n. A queued pair is stale once its position has another priority: a symbol
/// only ever grows, so no pair comes back.
template <typename Value, typename Rules>
void merge_long(MergeScratch<Value>& scratch, const Rules& rules) {
  auto& [values, priorities, links, queue] = scratch;
  const auto n = static_cast<uint32_t>(values.size());
  priorities.assign(n, kNoMerge);
  links.resize(n);
  queue.clear();
  const auto entry = [&](uint32_t at) { return uint64_t{priorities[at]} << 32 | at; };
  for (uint32_t i = 0; i < n; ++i) {
    links[i] = {i - 1, i + 1};
    if (i + 1 < n) priorities[i] = rules.priority(values[i], values[i + 1]);
    if (priorities[i] != kNoMerge) queue.push_back(entry(i));
  }
  std::make_heap(queue.begin(), queue.end(), std::greater<>());
  const auto requeue = [&](uint32_t left, uint32_t right) {
    priorities[left] = rules.priority(values[left], values[right]);
    if (priorities[left] == kNoMerge) return;
    queue.push_back(entry(left));
    std::push_heap(queue.begin(), queue.end(), std::greater<>());
  };
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    const auto left = static_cast<uint32_t>(queue.back());
    const auto priority = static_cast<uint32_t>(queue.back() >> 32);
    queue.pop_back();
    if (priorities[left] != priority) continue;
    const uint32_t right = links[left].next;
    const uint32_t after = links[right].next;
    values[left] = rules.merge(values[left], values[right], priority);
    priorities[left] = priorities[right] = kNoMerge;
    links[left].next = after;
    if (after < n) {
      links[after].previous = left;
      requeue(left, after);
    }
    if (left > 0) requeue(links[left].previous, left);
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < n; i = links[i].next) values[kept++] = values[i];
  values.resize(kept);
}

/// `rules.priority(a, b)` is that of the pair, or kNoMerge; `rules.merge(a, b, priority)` is the symbol that
/// the pair becomes. At most 2^32 - 2 symbols.
template <typename Value, typename Rules>
void merge_symbols(MergeScratch<Value>& scratch, const Rules& rules) {
  constexpr size_t kShort = 48;
  if (scratch.values.size() <= kShort) {
    merge_short(scratch, rules);
  } else {
    merge_long(scratch, rules);
  }
}

}  // namespace pellucid::tokenizer
