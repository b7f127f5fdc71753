// The keys and values of one sequence, in pages of 64 positions that are added as the sequence grows. A page
// holds every layer and kv head of its positions, so that it can be shared or dropped as one thing.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/table.h"
#include "model/spec.h"

namespace pellucid::model {

/// Storage and addressing only: which positions are valid is the caller's business (generation/sequence). A
/// copy shares the pages of its original until one of them writes: branches of a sequence cost what differs.
class KvCache {
 public:
  /// The memory of a page, held by every cache that has it.
  using Page = std::shared_ptr<AlignedBuffer<std::byte>>;

  KvCache(const ArchSpec& spec, kernels::KvType type)
      : type_(type),
        head_dim_(spec.attention.head_dim),
        n_kv_heads_(spec.attention.n_kv_heads),
        addresses_(static_cast<size_t>(spec.n_layers) * static_cast<size_t>(n_kv_heads_)),
        page_bytes_(static_cast<size_t>(kernels::kv_page_bytes(type, head_dim_)) * addresses_.size()) {}

  [[nodiscard]] kernels::KvType type() const { return type_; }
  [[nodiscard]] size_t bytes() const { return pages_.size() * page_bytes_; }

  /// Makes room for writing positions [begin, end): pages are added, shared ones replaced by copies of their
  /// own. What is stored stays. Not while a forward pass reads.
  void reserve(int begin, int end);
  /// Gives back the pages beyond the first n_positions positions.
  void truncate(int n_positions);
  /// Page `index`, to be shared. Precondition: index * 64 is a position that has room.
  [[nodiscard]] const Page& page(int index) const { return pages_[static_cast<size_t>(index)]; }
  /// Adds a page of another cache of the same model and type as the next one.
  void append(const Page& page) { set(pages_.size(), page); }

  /// The pages of a layer and kv head, in order of position: what AttentionTask::pages wants.
  [[nodiscard]] std::byte* const* pages(int layer, int kv_head) const {
    return addresses_[static_cast<size_t>(layer) * static_cast<size_t>(n_kv_heads_) +
                      static_cast<size_t>(kv_head)]
        .data();
  }

 private:
  void set(size_t index, Page page);

  kernels::KvType type_;
  int head_dim_;
  int n_kv_heads_;
  std::vector<std::vector<std::byte*>> addresses_;  // [n_layers * n_kv_heads][n_pages], into pages_
  size_t page_bytes_;
  std::vector<Page> pages_;
};

}  // namespace pellucid::model
