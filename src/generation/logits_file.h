// The side file of a trace: the logits of every step, float32, little-endian, rows of n_vocab one after
// another and nothing else. numpy.fromfile(path, "<f4").reshape(-1, n_vocab) reads it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "base/mapped_file.h"

namespace pellucid::generation {

/// Errors of all: kIo and kNotFound with the path.
class LogitsWriter {
 public:
  static Result<LogitsWriter> create(const std::string& path);
  /// Goes on after the last whole row.
  static Result<LogitsWriter> append(const std::string& path, int n_vocab);

  /// The number of the row written.
  Result<uint64_t> write(std::span<const float> logits);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  LogitsWriter(std::string path, std::FILE* file, uint64_t n_rows)
      : path_(std::move(path)), file_(file), n_rows_(n_rows) {}

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  uint64_t n_rows_;
};

class LogitsFile {
 public:
  static Result<LogitsFile> open(const std::string& path, int n_vocab);

  /// Errors: kBadTrace (there is no such row, or it has another hash).
  [[nodiscard]] Result<std::span<const float>> row(uint64_t index, uint64_t hash) const;

 private:
  LogitsFile(std::string path, MappedFile file, size_t n_vocab)
      : path_(std::move(path)), file_(std::move(file)), n_vocab_(n_vocab) {}

  std::string path_;
  MappedFile file_;
  size_t n_vocab_;
};

}  // namespace pellucid::generation
