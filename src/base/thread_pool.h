// A fixed team of threads that runs numbered tasks. Which thread runs a task never changes its result: tasks
// are cut by the caller in a way that does not depend on the number of threads (determinism contract).
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace pellucid {

/// The calling thread is worker 0 and works too, so ThreadPool(1) starts no thread. One caller at a time.
/// A round ends when its tasks are done, not when every worker has looked: a worker that the system keeps off
/// the processor delays nobody unless it has taken a task. Idle workers spin for some microseconds, then
/// sleep.
class ThreadPool {
 public:
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int size() const { return static_cast<int>(shares_.size()); }

  /// Calls task(index, worker) for every index in [0, n_tasks), n_tasks < 2^20, and returns when all are
  /// done. `task` must not throw.
  template <typename Task>
  void run(int n_tasks, const Task& task) {
    run_erased(
        n_tasks,
        [](const void* self, int index, int worker) { (*static_cast<const Task*>(self))(index, worker); },
        &task);
  }

 private:
  using Invoke = void (*)(const void* task, int index, int worker);

  /// The tasks of a round that a worker takes first, one line of memory each: a worker finds all it needs in
  /// its own, and meets others only where they steal.
  struct alignas(64) Share {
    std::atomic<uint64_t> left{0};  // round, end, begin: a claim is one compare-exchange
    // Written between rounds, read by whoever holds a claimed task, which keeps the round from ending.
    Invoke invoke = nullptr;
    const void* task = nullptr;
  };

  void run_erased(int n_tasks, Invoke invoke, const void* task);
  void wake();
  int claim(Share& share, bool is_own);
  void work(int worker);
  void worker_loop(int worker);

  std::vector<Share> shares_;  // one a worker
  std::vector<std::thread> workers_;
  // The caller's own.
  uint32_t round_ = 0;
  uint32_t all_ = 0;                           // tasks of all rounds
  alignas(64) std::atomic<uint32_t> done_{0};  // of them, those that have ended
  // Written when a worker falls asleep or is woken, so that else each processor has them in its own cache.
  alignas(64) std::atomic<uint32_t> wake_{0};  // what idle workers sleep on
  std::atomic<int> n_asleep_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace pellucid
