// Writes float32 matrices as NumPy files (format version 1.0,
// https://numpy.org/neps/nep-0001-npy-format.html).
#pragma once

#include <cstdio>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"

namespace pellucid::cli {

/// A file written from start to end; it appears under its name only by finish(), so that nobody sees half of
/// it. A pipe or a device is written to as it is, and a link is followed: neither is replaced.
class FileWriter {
 public:
  /// Errors of all three: kIo, naming the path.
  static Result<FileWriter> create(const std::string& path);
  Result<void> write(const void* data, size_t bytes);
  Result<void> finish();

  FileWriter(FileWriter&&) = default;
  FileWriter& operator=(FileWriter&&) = default;
  ~FileWriter();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  FileWriter(std::string path, std::string written, std::FILE* file)
      : path_(std::move(path)), written_(std::move(written)), file_(file) {}
  [[nodiscard]] bool is_temporary() const { return written_ != path_; }

  std::string path_;
  std::string written_;  // path_ itself, or the file that finish() renames to it
  std::unique_ptr<std::FILE, Close> file_;
};

/// The header of a C-ordered float32 array [n_rows, n_cols]; the values follow, row by row.
std::string npy_header(size_t n_rows, size_t n_cols);

}  // namespace pellucid::cli
