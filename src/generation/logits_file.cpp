#include "generation/logits_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "generation/xxh64.h"

namespace pellucid::generation {
namespace {

Error failed(const std::string& path) {
  const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, fmt::format("cannot write {}", path), std::strerror(errno)};
}

}  // namespace

Result<LogitsWriter> LogitsWriter::create(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return failed(path);
  return LogitsWriter(path, file, 0);
}

Result<LogitsWriter> LogitsWriter::append(const std::string& path, int n_vocab) {
  std::FILE* const file = std::fopen(path.c_str(), "r+b");
  if (file == nullptr) return failed(path);
  LogitsWriter writer(path, file, 0);
  const auto row_bytes = static_cast<off_t>(n_vocab) * static_cast<off_t>(sizeof(float));
  if (::fseeko(file, 0, SEEK_END) != 0) return failed(path);
  const off_t n_rows = ::ftello(file) / row_bytes;
  if (n_rows < 0 || ::fseeko(file, n_rows * row_bytes, SEEK_SET) != 0) return failed(path);
  writer.n_rows_ = static_cast<uint64_t>(n_rows);
  return writer;
}

Result<uint64_t> LogitsWriter::write(std::span<const float> logits) {
  const bool written =
      std::fwrite(logits.data(), sizeof(float), logits.size(), file_.get()) == logits.size() &&
      std::fflush(file_.get()) == 0;
  if (!written) return failed(path_);
  return n_rows_++;
}

Result<LogitsFile> LogitsFile::open(const std::string& path, int n_vocab) {
  PELLUCID_TRY(MappedFile file, MappedFile::open(path));
  return LogitsFile(path, std::move(file), static_cast<size_t>(n_vocab));
}

Result<std::span<const float>> LogitsFile::row(uint64_t index, uint64_t hash) const {
  const size_t row_bytes = n_vocab_ * sizeof(float);
  if (index >= file_.bytes().size() / row_bytes) {
    return Error{ErrorCode::kBadTrace, path_, fmt::format("there is no row {}", index)};
  }
  const std::span<const std::byte> bytes = file_.bytes().subspan(index * row_bytes, row_bytes);
  if (xxh64(bytes) != hash) {
    return Error{ErrorCode::kBadTrace, path_,
                 fmt::format("row {} is not the one that the trace recorded", index)};
  }
  // A mapping begins at a page, and rows are whole floats.
  return std::span(reinterpret_cast<const float*>(bytes.data()), n_vocab_);
}

}  // namespace pellucid::generation
