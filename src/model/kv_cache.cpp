#include "model/kv_cache.h"

namespace pellucid::model {
namespace {
size_t pages_for(int n_positions) {
  return static_cast<size_t>(n_positions + kernels::kPagePositions - 1) / kernels::kPagePositions;
}
}  // namespace

void KvCache::reserve(int n_positions) {
  const size_t slice = page_bytes_ / pages_.size();
  while (storage_.size() < pages_for(n_positions)) {
    AlignedBuffer<std::byte>& page = storage_.emplace_back(page_bytes_);
    for (size_t i = 0; i < pages_.size(); ++i) pages_[i].push_back(page.data() + i * slice);
  }
}

void KvCache::truncate(int n_positions) {
  while (storage_.size() > pages_for(n_positions)) {
    storage_.pop_back();
    for (std::vector<std::byte*>& pages : pages_) pages.pop_back();
  }
}

}  // namespace pellucid::model
