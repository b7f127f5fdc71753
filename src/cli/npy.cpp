#include "cli/npy.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace pellucid::cli {
namespace {
Error refused(const std::string& path) {
  return {ErrorCode::kIo, fmt::format("cannot write '{}'", path), std::strerror(errno)};
}
}  // namespace

Result<FileWriter> FileWriter::create(const std::string& path) {
  struct stat status {};
  const bool is_special = ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  const std::string written = is_special ? path : path + ".part";
  std::FILE* file = std::fopen(written.c_str(), "wb");
  if (file == nullptr) return refused(path);
  return FileWriter(path, written, file);
}

Result<void> FileWriter::write(const void* data, size_t bytes) {
  if (std::fwrite(data, 1, bytes, file_.get()) != bytes) return refused(path_);
  return {};
}

Result<void> FileWriter::finish() {
  const bool closed = std::fclose(file_.release()) == 0;
  if (closed && (!is_temporary() || std::rename(written_.c_str(), path_.c_str()) == 0)) return {};
  const Error error = refused(path_);
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
