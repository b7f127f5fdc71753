#include "trace/result_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace pellucid::trace {
namespace {

constexpr int kHow = O_CREAT | O_CLOEXEC;
constexpr mode_t kMode = 0666;

Error failed(const std::string& path) {
  const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, fmt::format("cannot write {}", in_quotes(path, kWhole)), std::strerror(errno)};
}

}  // namespace

ResultFile::Open::~Open() {
  if (is_new && untouched) ::unlink(path.c_str());
  ::close(descriptor);
}

Result<ResultFile> ResultFile::create(const std::string& path) {
  int descriptor = ::open(path.c_str(), kHow | O_WRONLY | O_EXCL, kMode);
  const bool is_new = descriptor >= 0;
  if (!is_new && errno == EEXIST) descriptor = ::open(path.c_str(), kHow | O_WRONLY, kMode);
  if (descriptor < 0) return failed(path);
  struct stat about {};
  auto open = std::make_unique<Open>(path, descriptor);
  open->is_new = is_new;
  open->over = ::fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode);
  return ResultFile(std::move(open));
}

Result<ResultFile> ResultFile::append(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return failed(path);
  ResultFile file(std::make_unique<Open>(path, descriptor));
  PELLUCID_CHECK(file.size());
  return file;
}

Result<void> ResultFile::write(std::span<const std::byte> bytes) {
  open_->untouched = false;
  if (std::exchange(open_->over, false) && ::ftruncate(open_->descriptor, 0) != 0) return failed(open_->path);
  while (!bytes.empty()) {
    const ssize_t n = ::write(open_->descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(open_->path);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

bool ResultFile::lock() {
  struct stat status {};
  const bool is_file = ::fstat(open_->descriptor, &status) == 0 && S_ISREG(status.st_mode);
  return !is_file || ::flock(open_->descriptor, LOCK_EX | LOCK_NB) == 0;
}

Result<uint64_t> ResultFile::size() const {
  const off_t end = ::lseek(open_->descriptor, 0, SEEK_END);
  if (end < 0) return failed(open_->path);
  return static_cast<uint64_t>(end);
}

Result<std::byte> ResultFile::last() const {
  PELLUCID_TRY(const uint64_t n, size());
  auto last = std::byte{'\n'};
  if (n > 0 && ::pread(open_->descriptor, &last, 1, static_cast<off_t>(n - 1)) != 1)
    return failed(open_->path);
  return last;
}

Result<void> ResultFile::go_to(uint64_t size) {
  if (::lseek(open_->descriptor, static_cast<off_t>(size), SEEK_SET) < 0) return failed(open_->path);
  return {};
}

}  // namespace pellucid::trace
