// Writes GGUF files in memory, valid ones and ones that are wrong in one chosen field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor_type.h"
#include "gguf/format.h"

namespace pellucid::gguf::test {

using Bytes = std::vector<std::byte>;

/// The little-endian bytes of a number.
template <typename T>
Bytes bytes_of(T number) {
  Bytes out(sizeof(T));
  std::memcpy(out.data(), &number, sizeof(T));
  return out;
}

inline void append(Bytes& out, std::span<const std::byte> more) {
  const size_t size = out.size();
  out.resize(size + more.size());
  if (!more.empty()) std::memcpy(out.data() + size, more.data(), more.size());
}

/// A length and its bytes, as GGUF stores a string.
inline Bytes string_bytes(std::string_view text) {
  Bytes out = bytes_of<uint64_t>(text.size());
  append(out, std::as_bytes(std::span(text)));
  return out;
}

/// Adds metadata and tensors in the order of the calls; bytes() puts the file together. Tensors follow each
/// other at the next multiple of the alignment unless raw_tensor() says otherwise.
class Builder {
 public:
  Builder& version(uint32_t value) {
    version_ = value;
    return *this;
  }

  // Metadata.
  Builder& raw(std::string_view key, uint32_t type, const Bytes& value) {
    append(metadata_, string_bytes(key));
    append(metadata_, bytes_of(type));
    append(metadata_, value);
    ++n_entries_;
    return *this;
  }
  template <typename T>
  Builder& scalar(std::string_view key, ValueType type, T value) {
    return raw(key, static_cast<uint32_t>(type), bytes_of(value));
  }
  Builder& u32(std::string_view key, uint32_t value) { return scalar(key, ValueType::kUint32, value); }
  Builder& i32(std::string_view key, int32_t value) { return scalar(key, ValueType::kInt32, value); }
  Builder& f32(std::string_view key, float value) { return scalar(key, ValueType::kFloat32, value); }
  Builder& boolean(std::string_view key, bool value) {
    return scalar(key, ValueType::kBool, static_cast<uint8_t>(value));
  }
  Builder& string(std::string_view key, std::string_view value) {
    return raw(key, static_cast<uint32_t>(ValueType::kString), string_bytes(value));
  }
  /// An array of `count` elements whose bytes are `elements`.
  Builder& raw_array(std::string_view key, uint32_t element, uint64_t count, const Bytes& elements) {
    Bytes value = bytes_of(element);
    append(value, bytes_of(count));
    append(value, elements);
    return raw(key, static_cast<uint32_t>(ValueType::kArray), value);
  }
  template <typename T>
  Builder& array(std::string_view key, ValueType element, const std::vector<T>& values) {
    Bytes elements(values.size() * sizeof(T));
    if (!values.empty()) std::memcpy(elements.data(), values.data(), elements.size());
    return raw_array(key, static_cast<uint32_t>(element), values.size(), elements);
  }
  Builder& floats(std::string_view key, const std::vector<float>& values) {
    return array(key, ValueType::kFloat32, values);
  }
  Builder& ints(std::string_view key, const std::vector<int32_t>& values) {
    return array(key, ValueType::kInt32, values);
  }
  Builder& strings(std::string_view key, const std::vector<std::string>& values) {
    Bytes elements;
    for (const std::string& value : values) append(elements, string_bytes(value));
    return raw_array(key, static_cast<uint32_t>(ValueType::kString), values.size(), elements);
  }
  /// Writes general.alignment and keeps to it.
  Builder& alignment(uint32_t value) {
    alignment_ = value;
    return u32(kAlignmentKey, value);
  }

  // Tensors.
  /// A tensor with these bytes of data, which are those that its shape needs in a valid file.
  Builder& tensor(std::string_view name, TensorType type, const std::vector<uint64_t>& dims,
                  const Bytes& data) {
    pad(data_);
    raw_tensor(name, static_cast<uint32_t>(type), dims, data_.size());
    append(data_, data);
    return *this;
  }
  /// A tensor of zeros.
  Builder& zeros(std::string_view name, TensorType type, const std::vector<uint64_t>& dims) {
    uint64_t values = 1;
    for (const uint64_t dim : dims) values *= dim;
    return tensor(name, type, dims, Bytes(values / info(type).block_values * info(type).block_bytes));
  }
  /// Only a record, with any type and offset.
  Builder& raw_tensor(std::string_view name, uint32_t type, const std::vector<uint64_t>& dims,
                      uint64_t offset) {
    append(records_, string_bytes(name));
    append(records_, bytes_of(static_cast<uint32_t>(dims.size())));
    for (const uint64_t dim : dims) append(records_, bytes_of(dim));
    append(records_, bytes_of(type));
    append(records_, bytes_of(offset));
    ++n_tensors_;
    return *this;
  }
  /// Bytes of data that belong to no tensor.
  Builder& filler(size_t n_bytes) {
    data_.resize(data_.size() + n_bytes);
    return *this;
  }
  /// Counts other than the true ones.
  Builder& counts(uint64_t n_tensors, uint64_t n_entries) {
    n_tensors_ = n_tensors;
    n_entries_ = n_entries;
    return *this;
  }

  [[nodiscard]] Bytes bytes() const {
    Bytes out;
    for (const char c : kMagic) out.push_back(static_cast<std::byte>(c));
    append(out, bytes_of(version_));
    append(out, bytes_of(n_tensors_));
    append(out, bytes_of(n_entries_));
    append(out, metadata_);
    append(out, records_);
    pad(out);
    append(out, data_);
    return out;
  }

 private:
  void pad(Bytes& out) const {
    while (alignment_ != 0 && out.size() % alignment_ != 0) out.push_back(std::byte{0});
  }

  uint32_t version_ = kMaxVersion;
  uint64_t n_tensors_ = 0;
  uint64_t n_entries_ = 0;
  uint32_t alignment_ = kDefaultAlignment;
  Bytes metadata_;
  Bytes records_;
  Bytes data_;
};

}  // namespace pellucid::gguf::test
