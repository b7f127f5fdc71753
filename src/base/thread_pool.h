// A fixed team of threads that runs numbered tasks. Which thread runs a task never changes its result: tasks
// are cut by the caller in a way that does not depend on the number of threads (determinism contract).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <thread>
#include <type_traits>
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
  /// done. `task` must not throw. Every worker gets a copy of a small one: what it need not look up elsewhere
  /// comes without delay.
  template <typename Task>
  void run(int n_tasks, const Task& task) {
    if constexpr (is_small<Task>) {
      run_begun(n_tasks, [task](int worker) { return [task, worker](int index) { task(index, worker); }; });
    } else {
      run(n_tasks, [&task](int index, int worker) { task(index, worker); });
    }
  }

  /// The same for tasks that have a beginning in common, which each worker makes for itself before its first
  /// one: begin(worker) gives what is then called with each index. Every worker gets a copy of `begin`.
  template <typename Begin>
  void run_begun(int n_tasks, const Begin& begin) {
    static_assert(is_small<Begin>);
    if (n_tasks <= 1 || workers_.empty()) {
      if (n_tasks == 0) return;
      auto&& task = begin(0);
      for (int index = 0; index < n_tasks; ++index) task(index);
      return;
    }
    share_out(n_tasks, &run_tasks<Begin>, &begin, sizeof(Begin));
  }

 private:
  struct Share;
  /// Runs the task of a share that was claimed, then all that can be claimed; how many.
  using Runner = uint32_t (*)(ThreadPool& pool, const Share& share, int index, int worker);
  static constexpr size_t kBeginBytes = 48;
  template <typename T>
  static constexpr bool is_small = std::is_trivially_copyable_v<T> && sizeof(T) <= kBeginBytes;

  /// The tasks of a round that a worker takes first, one line of memory each: a worker finds all it needs in
  /// its own, and meets others only where they steal.
  struct alignas(64) Share {
    std::atomic<uint64_t> left{0};  // round, end, begin: a claim is one compare-exchange
    // Written between rounds, read by whoever holds a claimed task, which keeps the round from ending.
    Runner runner = nullptr;
    alignas(8) std::array<std::byte, kBeginBytes> begin{};
  };
  /// A task that is now ours; index is -1 where there is none left.
  struct Claim {
    const Share* share;
    int index;
  };

  template <typename Begin>
  static uint32_t run_tasks(ThreadPool& pool, const Share& share, int index, int worker) {
    const Begin begin = *std::launder(reinterpret_cast<const Begin*>(share.begin.data()));
    auto&& task = begin(worker);
    uint32_t n_done = 0;
    for (; index >= 0; index = pool.claim(worker).index) {
      task(index);
      ++n_done;
    }
    return n_done;
  }

  void share_out(int n_tasks, Runner runner, const void* begin, size_t begin_bytes);
  void wake();
  Claim claim(int worker);
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
