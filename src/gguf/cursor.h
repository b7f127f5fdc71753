// A position in the bytes of a file that only moves over bytes that are there.
#pragma once

#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "gguf/format.h"

namespace pellucid::gguf {

static_assert(std::endian::native == std::endian::little, "GGUF numbers are read as they lie in memory");

/// a * b, or nothing where it does not fit in 64 bits.
inline std::optional<uint64_t> checked_multiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// The error of a field that starts at byte `offset`.
inline Error field_error(ErrorCode code, std::string_view field, uint64_t offset, std::string_view why) {
  return {code, "cannot read the model", fmt::format("{} at byte {}: {}", field, offset, why)};
}

/// Every read names the field for the error. A failed read leaves the cursor where the field starts.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] uint64_t offset() const { return offset_; }
  [[nodiscard]] uint64_t remaining() const { return bytes_.size() - offset_; }

  /// The next `n` bytes.
  Result<std::span<const std::byte>> take(uint64_t n, std::string_view field) {
    if (n > remaining()) return truncated(n, field);
    const auto taken = bytes_.subspan(offset_, n);
    offset_ += n;
    return taken;
  }

  template <typename T>
  Result<T> number(std::string_view field) {
    if (sizeof(T) > remaining()) return truncated(sizeof(T), field);
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  /// A count of records of at least `min_bytes` each: those that cannot be in the file are refused before
  /// anything is allocated for them.
  Result<uint64_t> count(uint64_t min_bytes, uint64_t max, std::string_view field) {
    const uint64_t start = offset_;
    PELLUCID_TRY(const uint64_t value, number<uint64_t>(field));
    if (value <= max && value <= remaining() / min_bytes) return value;
    const auto why = value > max ? fmt::format("{} exceeds the limit of {}", value, max)
                                 : fmt::format("{} cannot fit in the {} bytes left", value, remaining());
    offset_ = start;
    return field_error(ErrorCode::kBadModel, field, start, why);
  }

  /// A length and that many bytes.
  Result<std::string_view> string(uint64_t max_bytes, std::string_view field) {
    PELLUCID_TRY(const uint64_t length, count(1, max_bytes, field));
    const auto* text = reinterpret_cast<const char*>(bytes_.data()) + offset_;
    offset_ += length;
    return std::string_view(text, length);
  }

 private:
  [[nodiscard]] Error truncated(uint64_t needed, std::string_view field) const {
    return field_error(ErrorCode::kBadModel, field, offset_,
                       fmt::format("the file is truncated ({} bytes needed, {} left)", needed, remaining()));
  }

  std::span<const std::byte> bytes_;
  uint64_t offset_ = 0;
};

}  // namespace pellucid::gguf
