// An owned, zero-initialised, 64-byte aligned array: what vector kernels read and write.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace pellucid {

namespace detail {
/// Zeroed memory aligned to 64 bytes and backed by huge pages where the system offers them; nullptr where
/// there is none.
void* allocate_aligned(size_t bytes);
/// `bytes` as it was allocated.
void free_aligned(void* address, size_t bytes);
}  // namespace detail

/// Movable, not copyable. size() counts elements. Throws std::bad_alloc where memory runs out.
template <typename T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size) : size_(size) {
    if (size == 0) return;
    if (size > static_cast<size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    const size_t bytes = size * sizeof(T);
    data_ = {static_cast<T*>(detail::allocate_aligned(bytes)), Free{bytes}};
    if (!data_) throw std::bad_alloc();
  }

  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] std::span<T> span() { return {data(), size_}; }
  [[nodiscard]] std::span<const T> span() const { return {data(), size_}; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  struct Free {
    size_t bytes = 0;
    void operator()(T* address) const { detail::free_aligned(address, bytes); }
  };
  std::unique_ptr<T[], Free> data_;
  size_t size_ = 0;
};

}  // namespace pellucid
