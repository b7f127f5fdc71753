#include "cli/npy.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace pellucid::cli {
namespace {
Error refused(const std::string& path) {
  return {ErrorCode::kIo, fmt::format("cannot write '{}'", path), std::strerror(errno)};
}
}  // namespace

Result<FileWriter> FileWriter::create(const std::string& path) {
  const std::string temporary = path + ".part";
  std::FILE* file = std::fopen(temporary.c_str(), "wb");
  if (file == nullptr) return refused(path);
  return FileWriter(path, file);
}

Result<void> FileWriter::write(const void* data, size_t bytes) {
  if (std::fwrite(data, 1, bytes, file_.get()) != bytes) return refused(path_);
  return {};
}

Result<void> FileWriter::finish() {
  std::FILE* file = file_.release();
  if (std::fclose(file) != 0 || std::rename(temporary().c_str(), path_.c_str()) != 0) {
    std::remove(temporary().c_str());
    return refused(path_);
  }
  return {};
}

FileWriter::~FileWriter() {
  if (file_) std::remove(temporary().c_str());
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
