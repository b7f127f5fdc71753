// Reads traces, which anyone may have written: what is taken over holds together, and what is wrong is one
// error with the number of its line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "trace/trace.h"

namespace pellucid::trace {

/// Lines go in, one after another.
class Reader {
 public:
  /// Bytes of a line at most: a prompt of millions of tokens fits.
  static constexpr size_t kMaxLine = size_t{64} << 20;

  /// Errors: kBadTrace, with the line.
  Result<void> line(std::string_view text);
  /// After the last line. Errors: kBadTrace (there was none).
  Result<Trace> finish() &&;

 private:
  Result<void> record(std::string_view text);

  Trace trace_;
  size_t n_lines_ = 0;
};

/// Errors: kNotFound, kIo, kBadTrace with the path and the line.
Result<Trace> read_trace(const std::string& path);

}  // namespace pellucid::trace
