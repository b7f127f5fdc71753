#include "model/kv_cache.h"

#include <cstring>
#include <utility>

namespace pellucid::model {
namespace {
size_t pages_for(int n_positions) {
  return static_cast<size_t>(n_positions + kernels::kPagePositions - 1) / kernels::kPagePositions;
}
}  // namespace

void KvCache::set(size_t index, Page page) {
  if (index == pages_.size()) {
    pages_.emplace_back();
    addresses_.emplace_back();
  }
  addresses_[index] = page->data();
  pages_[index] = std::move(page);
}

void KvCache::reserve(int begin, int end) {
  for (size_t i = static_cast<size_t>(begin) / kernels::kPagePositions; i < pages_for(end); ++i) {
    if (i < pages_.size() && pages_[i].use_count() == 1) continue;
    auto page = std::make_shared<AlignedBuffer<std::byte>>(page_bytes_);
    if (i < pages_.size()) std::memcpy(page->data(), pages_[i]->data(), page_bytes_);
    set(i, std::move(page));
  }
}

void KvCache::truncate(int n_positions) {
  while (pages_.size() > pages_for(n_positions)) {
    pages_.pop_back();
    addresses_.pop_back();
  }
}

}  // namespace pellucid::model
