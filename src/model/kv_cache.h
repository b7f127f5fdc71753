// The keys and values of one sequence, in pages of 64 positions that are added as the sequence grows. A page
// holds every layer and kv head of its positions, so that a page can be shared or dropped as one thing.
#pragma once

#include <cstddef>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/table.h"
#include "model/spec.h"

namespace pellucid::model {

/// Storage and addressing only: which positions are valid is the caller's business (generation/sequence).
class KvCache {
 public:
  KvCache(const ArchSpec& spec, kernels::KvType type)
      : type_(type),
        head_dim_(spec.attention.head_dim),
        n_kv_heads_(spec.attention.n_kv_heads),
        pages_(static_cast<size_t>(spec.n_layers) * static_cast<size_t>(n_kv_heads_)),
        page_bytes_(static_cast<size_t>(kernels::kv_page_bytes(type, head_dim_)) * pages_.size()) {}

  [[nodiscard]] kernels::KvType type() const { return type_; }
  [[nodiscard]] size_t bytes() const { return storage_.size() * page_bytes_; }

  /// Makes room for positions [0, n_positions); what is stored stays. Not while a forward pass reads.
  void reserve(int n_positions);
  /// Gives back the pages beyond the first n_positions positions.
  void truncate(int n_positions);

  /// The pages of a layer and kv head, in order of position: what AttentionTask::pages wants.
  [[nodiscard]] std::byte* const* pages(int layer, int kv_head) const {
    return pages_[static_cast<size_t>(layer) * static_cast<size_t>(n_kv_heads_) +
                  static_cast<size_t>(kv_head)]
        .data();
  }

 private:
  kernels::KvType type_;
  int head_dim_;
  int n_kv_heads_;
  std::vector<std::vector<std::byte*>> pages_;  // [n_layers * n_kv_heads][n_pages], into storage_
  size_t page_bytes_;
  std::vector<AlignedBuffer<std::byte>> storage_;
};

}  // namespace pellucid::model
