// The key-value pairs of a GGUF file, read with their declared type: a caller asks for a type and gets it, or
// an error that names the key. Strings and arrays are views into the file.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "gguf/format.h"

namespace pellucid::gguf {

/// Integers are widened to 64 bits by signedness, float32 to double.
using Scalar = std::variant<uint64_t, int64_t, double, bool, std::string_view>;

/// An array of scalars still as little-endian bytes (unaligned), or of strings. Arrays of arrays are refused
/// by the reader.
struct Array {
  ValueType element;
  uint64_t count;
  std::span<const std::byte> bytes;       // scalars: count * size bytes
  std::vector<std::string_view> strings;  // strings: count views

  /// Element i, i < count.
  [[nodiscard]] Scalar at(uint64_t i) const;
};

/// Widened as a Scalar is; `type` of the entry keeps what the file declared.
using Value = std::variant<uint64_t, int64_t, double, bool, std::string_view, Array>;

struct Entry {
  std::string_view key;
  ValueType type;
  Value value;
};

/// A missing key and a wrong type are different errors (kBadModel), both naming the key.
class Metadata {
 public:
  [[nodiscard]] std::span<const Entry> entries() const { return entries_; }  // in file order
  [[nodiscard]] const Entry* find(std::string_view key) const;
  [[nodiscard]] bool contains(std::string_view key) const { return find(key) != nullptr; }

  /// An unsigned integer (any integer type that holds a value in 0 .. 2^32-1).
  [[nodiscard]] Result<uint32_t> u32(std::string_view key) const;
  [[nodiscard]] Result<uint32_t> u32_or(std::string_view key, uint32_t fallback) const;
  /// A finite float (f32 or f64).
  [[nodiscard]] Result<float> f32(std::string_view key) const;
  [[nodiscard]] Result<float> f32_or(std::string_view key, float fallback) const;
  [[nodiscard]] Result<bool> boolean_or(std::string_view key, bool fallback) const;
  [[nodiscard]] Result<std::string_view> string(std::string_view key) const;
  [[nodiscard]] Result<std::string_view> string_or(std::string_view key, std::string_view fallback) const;
  /// Views of an array of strings; the span lives as long as the file.
  [[nodiscard]] Result<std::span<const std::string_view>> strings(std::string_view key) const;
  /// A copy of an array of float32, none of them NaN.
  [[nodiscard]] Result<std::vector<float>> floats(std::string_view key) const;
  /// A copy of an array of any integer type, each value in the range of int32.
  [[nodiscard]] Result<std::vector<int32_t>> ints(std::string_view key) const;

  /// Adds an entry; false where the key is there already. For the reader and for tests.
  bool add(Entry entry);

 private:
  std::vector<Entry> entries_;
  std::map<std::string_view, size_t>
      index_;  // a tree: no choice of keys makes it slow, as a hash table's can
};

}  // namespace pellucid::gguf
