#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace pellucid {
namespace {

// With a page that is touched the system maps what lies around it and is in memory, up to a huge page. Were a
// part's own pages all that is released, reading the next part would bring some of them back.
constexpr size_t kWindowBytes = size_t{2} << 20;

/// Closes a file descriptor at the end of a scope.
struct Descriptor {
  int fd;
  explicit Descriptor(int value) : fd(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Error refused(ErrorCode code, const std::string& path, std::string why) {
  return {code, "cannot open " + in_quotes(path, kWhole), std::move(why)};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer before it can be refused.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) {
    return refused(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path, std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) return refused(ErrorCode::kIo, path, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return refused(ErrorCode::kIo, path, "it is a directory");
  if (!S_ISREG(status.st_mode)) return refused(ErrorCode::kIo, path, "it is not a regular file");
  if (status.st_size == 0) return refused(ErrorCode::kBadModel, path, "the file is empty");

  const auto size = static_cast<size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) return refused(ErrorCode::kIo, path, std::strerror(errno));
  MappedFile mapped;
  mapped.bytes_ = {static_cast<const std::byte*>(address), size};
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  // munmap takes a mutable pointer, but the mapping is only ever read.
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::release(std::span<const std::byte> part) const {
  const auto first = static_cast<size_t>(part.data() - bytes_.data());
  const size_t begin = first / kWindowBytes * kWindowBytes;
  const size_t end =
      std::min(bytes_.size(), (first + part.size() + kWindowBytes - 1) / kWindowBytes * kWindowBytes);
  ::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace pellucid
