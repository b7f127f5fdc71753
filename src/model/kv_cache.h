// The keys and values of one sequence, in pages of 64 positions that are added as the sequence grows. A page
// holds every layer and kv head of its positions, so that it can be shared or dropped as one thing.
#pragma once

#include <cstddef>
#include <cstdint>
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
        n_kv_heads_(spec.attention.n_kv_heads),
        slice_bytes_(kernels::kv_page_bytes(type, spec.attention.head_dim)),
        page_bytes_(static_cast<size_t>(slice_bytes_) * static_cast<size_t>(spec.n_layers) *
                    static_cast<size_t>(n_kv_heads_)) {}

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

  /// The pages of a layer and kv head, in order of position.
  [[nodiscard]] kernels::KvPages pages(int layer, int kv_head) const {
    return {addresses_.data(), slice(layer, kv_head)};
  }
  /// What a layer and kv head has of page `index`, to be written.
  [[nodiscard]] std::byte* at(int layer, int kv_head, int index) const {
    return addresses_[static_cast<size_t>(index)] + slice(layer, kv_head);
  }

 private:
  void set(size_t index, Page page);
  [[nodiscard]] int64_t slice(int layer, int kv_head) const {
    return (int64_t{layer} * n_kv_heads_ + kv_head) * slice_bytes_;
  }

  kernels::KvType type_;
  int n_kv_heads_;
  int64_t slice_bytes_;  // of a page, for each layer and kv head
  size_t page_bytes_;
  std::vector<Page> pages_;
  std::vector<std::byte*> addresses_;  // of pages_, side by side
};

}  // namespace pellucid::model
