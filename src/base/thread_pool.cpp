#include "base/thread_pool.h"

namespace pellucid {
namespace {

// About 20 to 50 microseconds: longer than the gap between two parallel regions of a step, much shorter than
// a token.
constexpr int kSpins = 2000;

// The word of tickets: round (24 bits, so that a stale word is never mistaken for a new one), tasks (20),
// next (20).
constexpr int kFieldBits = 20;
constexpr uint64_t kFieldMask = (uint64_t{1} << kFieldBits) - 1;
constexpr uint64_t tickets(uint32_t round, int n_tasks) {
  return uint64_t{round} << (2 * kFieldBits) | static_cast<uint64_t>(n_tasks) << kFieldBits;
}
constexpr bool any_left(uint64_t word) { return (word & kFieldMask) < (word >> kFieldBits & kFieldMask); }

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Spins, for a while, until `ready`; whether it was.
template <typename Ready>
bool spin_until(const Ready& ready) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (ready()) return true;
    pause_briefly();
  }
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) {
  for (int worker = 1; worker < n_threads; ++worker) {
    workers_.emplace_back([this, worker] { worker_loop(worker); });
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : workers_) thread.join();
}

void ThreadPool::run_erased(int n_tasks, Invoke invoke, const void* task) {
  if (n_tasks <= 1 || workers_.empty()) {
    for (int index = 0; index < n_tasks; ++index) invoke(task, index, 0);
    return;
  }
  invoke_ = invoke;
  task_ = task;
  done_.store(0, std::memory_order_relaxed);
  const uint32_t round = round_.load(std::memory_order_relaxed) + 1;
  tickets_.store(tickets(round, n_tasks), std::memory_order_release);
  round_.store(round, std::memory_order_release);
  round_.notify_all();
  work(0);
  const auto all_done = [&] { return done_.load(std::memory_order_acquire) == n_tasks; };
  if (spin_until(all_done)) return;
  for (int done = done_.load(std::memory_order_acquire); done != n_tasks;
       done = done_.load(std::memory_order_acquire)) {
    done_.wait(done, std::memory_order_acquire);
  }
}

/// The index of a task that is now ours, or -1 where none is left.
int ThreadPool::claim() {
  uint64_t word = tickets_.load(std::memory_order_acquire);
  while (any_left(word)) {
    if (tickets_.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      return static_cast<int>(word & kFieldMask);
    }
  }
  return -1;
}

void ThreadPool::work(int worker) {
  for (int index = claim(); index >= 0; index = claim()) {
    invoke_(task_, index, worker);
    done_.fetch_add(1, std::memory_order_acq_rel);
    if (worker != 0) done_.notify_one();  // free of a system call while the caller is not asleep
  }
}

void ThreadPool::worker_loop(int worker) {
  while (!stop_.load(std::memory_order_relaxed)) {
    const uint32_t seen = round_.load(std::memory_order_acquire);
    work(worker);
    const auto changed = [&] { return round_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(changed)) round_.wait(seen, std::memory_order_acquire);
  }
}

}  // namespace pellucid
