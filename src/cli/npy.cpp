#include "cli/npy.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/text.h"

namespace pellucid::cli {
namespace {
Error write_failed(const std::string& path) {
  return {ErrorCode::kIo, fmt::format("cannot write {}", in_quotes(path, kWhole)), std::strerror(errno)};
}

/// The file that a new one takes the place of: `path`, or what it leads to as a link; none where `path` has
/// to be opened as it is.
std::string replaced_by(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::is_regular_file(path, failed))
    return std::filesystem::canonical(path, failed).string();
  const std::filesystem::file_status itself = std::filesystem::symlink_status(path, failed);
  return itself.type() == std::filesystem::file_type::not_found ? path : "";
}

}  // namespace

Result<FileWriter> FileWriter::create(const std::string& path) {
  const std::string replaced = replaced_by(path);
  const std::string written = replaced.empty() ? path : replaced + ".part";
  std::FILE* file = std::fopen(written.c_str(), "wb");
  if (file == nullptr) return write_failed(path);
  return FileWriter(replaced.empty() ? path : replaced, written, file);
}

Result<void> FileWriter::write(const void* data, size_t bytes) {
  if (std::fwrite(data, 1, bytes, file_.get()) != bytes) return write_failed(path_);
  return {};
}

Result<void> FileWriter::finish() {
  const bool closed = std::fclose(file_.release()) == 0;
  if (closed && (!is_temporary() || std::rename(written_.c_str(), path_.c_str()) == 0)) return {};
  const Error error = write_failed(path_);
  if (is_temporary()) std::remove(written_.c_str());
  return error;
}

FileWriter::~FileWriter() {
  if (file_ && is_temporary()) std::remove(written_.c_str());
}

std::string npy_header(size_t n_rows, size_t n_cols) {
  constexpr size_t kPreamble = 10;  // magic, version, length of what follows
  constexpr size_t kAlignment = 64;
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", n_rows, n_cols);
  const size_t total = (kPreamble + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  text.resize(total - kPreamble - 1, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xFF);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

}  // namespace pellucid::cli
