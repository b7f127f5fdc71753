// The side file of a trace: the logits of every step, float32 or float16, little-endian, rows of n_vocab one
// after another and nothing else. numpy.fromfile(path, "<f4").reshape(-1, n_vocab) reads it, or "<f2".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "trace/result_file.h"

namespace pellucid::trace {

/// kFloat16 rounds to nearest even; beyond 65504 it stays at that, and -inf what it is.
enum class LogitsType : uint8_t { kFloat32, kFloat16 };
inline constexpr std::array<std::string_view, 2> kLogitsTypeNames{"float32", "float16"};

/// The type of a name of kLogitsTypeNames; none where it is another.
std::optional<LogitsType> logits_type_named(std::string_view name);

/// Where a step's logits are.
struct LogitsPlace {
  uint64_t row = 0;
  uint64_t hash = 0;  // xxh64() of the row's bytes in the file

  bool operator==(const LogitsPlace&) const = default;
};

/// Errors of all: kIo and kNotFound with the path.
class LogitsWriter {
 public:
  static Result<LogitsWriter> create(const std::string& path, LogitsType type = LogitsType::kFloat32);
  /// Goes on after the last whole row.
  static Result<LogitsWriter> append(const std::string& path, int n_vocab,
                                     LogitsType type = LogitsType::kFloat32);

  /// `hash` is xxh64() of the logits.
  Result<LogitsPlace> write(std::span<const float> logits, uint64_t hash);

 private:
  LogitsWriter(ResultFile file, LogitsType type, uint64_t n_rows)
      : file_(std::move(file)), type_(type), n_rows_(n_rows) {}

  ResultFile file_;
  LogitsType type_;
  uint64_t n_rows_;
  std::vector<uint16_t> halves_;  // of one row
};

/// Not thread-safe, const functions neither.
class LogitsFile {
 public:
  static Result<LogitsFile> open(const std::string& path, int n_vocab,
                                 LogitsType type = LogitsType::kFloat32);

  /// Valid until the next call. Errors: kBadTrace (there is no such row, or it has another hash).
  [[nodiscard]] Result<std::span<const float>> row(const LogitsPlace& place) const;

 private:
  LogitsFile(std::string path, MappedFile file, size_t n_vocab, LogitsType type)
      : path_(std::move(path)), file_(std::move(file)), n_vocab_(n_vocab), type_(type) {}

  std::string path_;
  MappedFile file_;
  size_t n_vocab_;
  LogitsType type_;
  mutable std::vector<float> widened_;  // the latest row, where they are float16
};

}  // namespace pellucid::trace
