// Keys and values of beginnings that were run before, shared page by page: a prompt that starts like an
// earlier one runs only what differs (RadixAttention, Zheng et al. 2024, at the grain of a page).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>

#include "generation/engine.h"
#include "kernels/table.h"
#include "model/kv_cache.h"

namespace pellucid::generation {

/// Of one engine. Keeps the pages used last within a number of bytes. What it gives has the bits that running
/// the tokens again would give.
class PrefixCache {
 public:
  explicit PrefixCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Gives `sequence`, which is empty, the longest beginning of `tokens` that is held, but not all of
  /// `tokens`: the last one has to be run for its logits. Returns how many tokens that are.
  int start(Sequence& sequence, std::span<const int32_t> tokens);
  /// Holds the whole pages of `sequence`.
  void remember(const Sequence& sequence);

  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  using PageTokens = std::array<int32_t, kernels::kPagePositions>;
  /// A page follows its parent, another page, or none (0).
  struct Key {
    uint64_t parent;
    PageTokens tokens;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const;
  };
  struct Node {
    Key key;
    uint64_t id;
    model::KvCache::Page page;
  };
  using Nodes = std::list<Node>;  // used last first

  static Key key_of(uint64_t parent, std::span<const int32_t> tokens, int page);
  void touch(std::span<const Nodes::iterator> path);
  void forget_oldest();

  size_t max_bytes_;
  size_t bytes_ = 0;
  uint64_t next_id_ = 1;
  Nodes nodes_;
  std::unordered_map<Key, Nodes::iterator, Hash> by_key_;
};

}  // namespace pellucid::generation
