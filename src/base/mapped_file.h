// A read-only memory-mapped file.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/error.h"

namespace pellucid {

/// Owns the mapping; bytes() is valid while the object lives (moving it keeps the address). Safe to read from
/// any thread.
class MappedFile {
 public:
  /// Maps `path`. Errors: kNotFound, kIo (a directory, not a regular file, unreadable), kBadModel (an empty
  /// file).
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

  /// Tells the kernel that `part`, a range of bytes(), will not be read again soon: its pages, and up to 2 MB
  /// around them, leave resident memory and come back from the file when touched.
  void release(std::span<const std::byte> part) const;

 private:
  MappedFile() = default;
  std::span<const std::byte> bytes_;
};

}  // namespace pellucid
