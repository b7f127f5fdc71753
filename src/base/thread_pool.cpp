#include "base/thread_pool.h"

namespace pellucid {
namespace {

// About 20 to 50 microseconds: longer than the gap between two parallel regions of a step, much shorter than
// a token.
constexpr int kSpins = 2000;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Waits until `word` differs from `old`: spins first, then sleeps.
template <typename T>
void wait_while_equal(const std::atomic<T>& word, T old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (word.load(std::memory_order_acquire) != old) return;
    pause_briefly();
  }
  while (word.load(std::memory_order_acquire) == old) word.wait(old, std::memory_order_acquire);
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
  invoke_ = invoke;
  task_ = task;
  n_tasks_ = n_tasks;
  next_.store(0, std::memory_order_relaxed);
  if (n_tasks <= 1 || workers_.empty()) {
    work(0);
    return;
  }
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  work(0);
  for (int left = busy_.load(std::memory_order_acquire); left != 0;
       left = busy_.load(std::memory_order_acquire)) {
    wait_while_equal(busy_, left);
  }
}

void ThreadPool::work(int worker) {
  for (int index = next_.fetch_add(1, std::memory_order_relaxed); index < n_tasks_;
       index = next_.fetch_add(1, std::memory_order_relaxed)) {
    invoke_(task_, index, worker);
  }
}

void ThreadPool::worker_loop(int worker) {
  uint32_t seen = 0;
  while (true) {
    wait_while_equal(round_, seen);
    seen = round_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_relaxed)) return;
    work(worker);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

}  // namespace pellucid
