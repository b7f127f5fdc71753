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

/// Candidate merges, best first. What is known at the start is sorted and read in order, later arrivals go to
/// a heap, and a heap that outlives the sorted part is sorted in its turn: an entry is moved twice at most,
/// and most of the work on a long text runs through memory in order.
class MergeQueue {
 public:
  static uint64_t entry(uint32_t priority, uint32_t position) { return uint64_t{priority} << 32 | position; }

  void clear() {
    sorted_.clear();
    heap_.clear();
    next_ = 0;
  }
  void push(uint64_t entry) {
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }
  [[nodiscard]] bool empty() const { return next_ == sorted_.size() && heap_.empty(); }
  uint64_t pop() {
    constexpr size_t kWorthSorting = 64;
    if (next_ == sorted_.size() && heap_.size() >= kWorthSorting) {
      sorted_.swap(heap_);
      heap_.clear();
      next_ = 0;
      std::sort(sorted_.begin(), sorted_.end());
    }
    if (next_ < sorted_.size() && (heap_.empty() || sorted_[next_] < heap_.front())) return sorted_[next_++];
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const uint64_t best = heap_.back();
    heap_.pop_back();
    return best;
  }

 private:
  std::vector<uint64_t> sorted_, heap_;
  size_t next_ = 0;  // in sorted_
};

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
  MergeQueue queue;
};

/// Quadratic, and the fastest there is for the dozen symbols of a word.
template <typename Value, typename Rules>
void merge_short(MergeScratch<Value>& scratch, const Rules& rules) {
  std::vector<Value>& values = scratch.values;
  std::vector<uint32_t>& priorities = scratch.priorities;
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

/// A linked list and a queue: n log n. A queued pair is stale once its position has another priority: a
/// symbol only ever grows, so no pair comes back.
template <typename Value, typename Rules>
void merge_long(MergeScratch<Value>& scratch, const Rules& rules) {
  std::vector<Value>& values = scratch.values;
  std::vector<uint32_t>& priorities = scratch.priorities;
  auto& links = scratch.links;
  MergeQueue& queue = scratch.queue;
  const auto n = static_cast<uint32_t>(values.size());
  priorities.assign(n, kNoMerge);
  links.resize(n);
  queue.clear();
  const auto enqueue = [&](uint32_t left, uint32_t right) {
    priorities[left] = rules.priority(values[left], values[right]);
    if (priorities[left] != kNoMerge) queue.push(MergeQueue::entry(priorities[left], left));
  };
  for (uint32_t i = 0; i < n; ++i) {
    links[i] = {i - 1, i + 1};
    if (i + 1 < n) enqueue(i, i + 1);
  }
  while (!queue.empty()) {
    const uint64_t best = queue.pop();
    const auto left = static_cast<uint32_t>(best);
    const auto priority = static_cast<uint32_t>(best >> 32);
    if (priorities[left] != priority) continue;
    const uint32_t right = links[left].next;
    const uint32_t after = links[right].next;
    values[left] = rules.merge(values[left], values[right], priority);
    priorities[left] = priorities[right] = kNoMerge;
    links[left].next = after;
    if (after < n) {
      links[after].previous = left;
      enqueue(left, after);
    }
    if (left > 0) enqueue(links[left].previous, left);
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
