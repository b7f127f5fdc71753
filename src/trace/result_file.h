// A file that results are written to as they come. Until the first of them it is as it was: a run that cannot
// start leaves no file behind, and does not empty one that is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"

namespace pellucid::trace {

/// Errors of all: kIo or kNotFound, with the path.
class ResultFile {
 public:
  /// To begin anew. Whether it can be written is known at once.
  static Result<ResultFile> create(const std::string& path);
  /// To go on behind what is there.
  static Result<ResultFile> append(const std::string& path);

  /// Visible at once.
  Result<void> write(std::span<const std::byte> bytes);

  /// Keeps others from it that ask as well; false where another has it. Pipes and devices are for all.
  [[nodiscard]] bool lock();

  /// Of append(): bytes there are, and the last of them.
  [[nodiscard]] Result<uint64_t> size() const;
  [[nodiscard]] Result<std::byte> last() const;
  /// Of append(): goes on behind the first `size` bytes, over what stands there.
  Result<void> go_to(uint64_t size);

 private:
  struct Open {
    Open(std::string name, int fd) : path(std::move(name)), descriptor(fd) {}
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
    ~Open();

    std::string path;
    int descriptor;
    bool is_new = false;    // it was not there before
    bool untouched = true;  // nothing has been written
    bool over = false;      // what was there goes with the first bytes
  };
  explicit ResultFile(std::unique_ptr<Open> open) : open_(std::move(open)) {}

  std::unique_ptr<Open> open_;
};

}  // namespace pellucid::trace
