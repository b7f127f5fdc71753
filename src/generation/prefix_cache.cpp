#include "generation/prefix_cache.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace pellucid::generation {

size_t PrefixCache::Hash::operator()(const Key& key) const {
  const std::string_view bytes(reinterpret_cast<const char*>(key.tokens.data()), sizeof(key.tokens));
  return std::hash<std::string_view>{}(bytes) ^ std::hash<uint64_t>{}(key.parent * 0x9E3779B97F4A7C15U);
}

PrefixCache::Key PrefixCache::key_of(uint64_t parent, std::span<const int32_t> tokens, int page) {
  Key key{parent, {}};
  const auto from =
      tokens.subspan(static_cast<size_t>(page) * kernels::kPagePositions, kernels::kPagePositions);
  std::copy(from.begin(), from.end(), key.tokens.begin());
  return key;
}

/// Moves a path to the front, its deepest page last of all: a page is always younger than those that follow
/// it, so that none is held whose parent is gone.
void PrefixCache::touch(std::span<const Nodes::iterator> path) {
  for (auto node = path.rbegin(); node != path.rend(); ++node) nodes_.splice(nodes_.begin(), nodes_, *node);
}

void PrefixCache::forget_oldest() {
  bytes_ -= nodes_.back().page->size();
  by_key_.erase(nodes_.back().key);
  nodes_.pop_back();
}

int PrefixCache::start(Sequence& sequence, std::span<const int32_t> tokens) {
  const int n_pages = tokens.empty() ? 0 : static_cast<int>((tokens.size() - 1) / kernels::kPagePositions);
  std::vector<Nodes::iterator> path;
  uint64_t parent = 0;
  while (static_cast<int>(path.size()) < n_pages) {
    const auto found = by_key_.find(key_of(parent, tokens, static_cast<int>(path.size())));
    if (found == by_key_.end()) break;
    path.push_back(found->second);
    parent = found->second->id;
  }
  touch(path);
  for (const Nodes::iterator node : path) sequence.cache.append(node->page);
  const int n = static_cast<int>(path.size()) * kernels::kPagePositions;
  sequence.tokens.assign(tokens.begin(), tokens.begin() + n);
  return n;
}

void PrefixCache::remember(const Sequence& sequence) {
  const int n_pages = static_cast<int>(sequence.tokens.size()) / kernels::kPagePositions;
  std::vector<Nodes::iterator> path;
  uint64_t parent = 0;
  for (int page = 0; page < n_pages; ++page) {
    Key key = key_of(parent, sequence.tokens, page);
    auto found = by_key_.find(key);
    if (found == by_key_.end()) {
      nodes_.push_front({key, next_id_++, sequence.cache.page(page)});
      bytes_ += nodes_.front().page->size();
      found = by_key_.emplace(key, nodes_.begin()).first;
    }
    path.push_back(found->second);
    parent = found->second->id;
  }
  touch(path);
  while (bytes_ > max_bytes_) forget_oldest();
}

}  // namespace pellucid::generation
