// GGUF bytes -> File{metadata, tensors}, everything checked before anything is trusted: a count is bounded by
// the bytes left before it is used, work and memory are proportional to the size of the file, and a failure
// is one error that names the field and its offset.
//
// What the specification leaves open: gaps between tensors and bytes after the last one are accepted, tensors
// that overlap are not. Keys and tensor names are printable ASCII. String values may hold any bytes, NUL and
// malformed UTF-8 included, since tokens do: whoever uses one as text checks it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/tensor_type.h"
#include "gguf/metadata.h"

namespace pellucid::gguf {

/// A tensor of the file. dims[0] is the fastest axis (columns of a matrix), as GGUF stores it; unused dims
/// are 1.
struct Tensor {
  std::string_view name;
  TensorType type;
  uint32_t n_dims;
  std::array<uint64_t, 4> dims;
  std::span<const std::byte> data;  // exactly the bytes of the tensor, within the file

  [[nodiscard]] uint64_t n_values() const {
    return dims[0] * dims[1] * dims[2] * dims[3];
  }  // checked by the reader
};

/// An open model file. Views handed out live as long as the File (moving it keeps them valid).
class File {
 public:
  /// Maps and parses. Errors: those of MappedFile, kBadModel (with the field and its offset), kUnsupported
  /// (another file format, big-endian, version, nested array, tensor type).
  static Result<File> open(const std::string& path);
  /// Parses bytes that the caller keeps alive: for tests and fuzzing.
  static Result<File> parse(std::span<const std::byte> bytes);

  [[nodiscard]] uint32_t version() const { return version_; }
  [[nodiscard]] const Metadata& metadata() const { return metadata_; }
  [[nodiscard]] std::span<const Tensor> tensors() const { return tensors_; }  // in file order
  [[nodiscard]] const Tensor* find_tensor(std::string_view name) const;
  [[nodiscard]] uint64_t size_bytes() const { return size_bytes_; }
  /// The mapping, or nullptr where the file came from parse().
  [[nodiscard]] const MappedFile* mapping() const { return mapping_ ? &*mapping_ : nullptr; }

 private:
  File() = default;
  friend class Parser;

  std::optional<MappedFile> mapping_;
  uint32_t version_ = 0;
  uint64_t size_bytes_ = 0;
  Metadata metadata_;
  std::vector<Tensor> tensors_;
  std::map<std::string_view, size_t> index_;
};

}  // namespace pellucid::gguf
