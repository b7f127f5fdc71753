#include "cli/output.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace pellucid::cli {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

void raise_flag(int) { interrupted.store(true, std::memory_order_relaxed); }

Error write_failed() { return {ErrorCode::kIo, "cannot write to standard output", std::strerror(errno)}; }

}  // namespace

void prepare_process() { std::signal(SIGPIPE, SIG_IGN); }

Result<void> write_output(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) return write_failed();
  return {};
}

Result<void> flush_output() {
  if (std::fflush(stdout) != 0) return write_failed();
  return {};
}

InterruptFlag::InterruptFlag(Waiting waiting) {
  interrupted.store(false, std::memory_order_relaxed);
  struct sigaction action {};
  action.sa_handler = raise_flag;
  action.sa_flags = waiting == Waiting::kGoesOn ? SA_RESTART : 0;
  ::sigaction(SIGINT, &action, &previous_);
}

InterruptFlag::~InterruptFlag() { ::sigaction(SIGINT, &previous_, nullptr); }

bool InterruptFlag::raised() const { return interrupted.load(std::memory_order_relaxed); }

}  // namespace pellucid::cli
