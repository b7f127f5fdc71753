// Standard output with its failures seen, and Ctrl-C as a flag.
#pragma once

#include <csignal>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pellucid::cli {

inline constexpr int kInterrupted = 130;

/// Once, before anything else: a closed pipe becomes an error of write_output() instead of a signal.
void prepare_process();

/// Writes to standard output. Errors: kIo (closed, full).
Result<void> write_output(std::string_view text);
/// Makes what was written visible now. Errors: kIo.
Result<void> flush_output();

/// While one lives, Ctrl-C sets a flag instead of ending the program. A new one lowers the flag; they may
/// nest.
class InterruptFlag {
 public:
  /// What Ctrl-C does to a system call that waits: output is to be whole, a line that is read is not waited
  /// for.
  enum class Waiting : uint8_t { kGoesOn, kEnds };

  explicit InterruptFlag(Waiting waiting = Waiting::kGoesOn);
  ~InterruptFlag();
  InterruptFlag(const InterruptFlag&) = delete;
  InterruptFlag& operator=(const InterruptFlag&) = delete;
  [[nodiscard]] bool raised() const;

 private:
  struct sigaction previous_ {};
};

}  // namespace pellucid::cli
