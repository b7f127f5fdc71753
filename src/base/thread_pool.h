// A fixed team of threads that runs numbered tasks. Which thread runs a task never changes its result: tasks
// are cut by the caller in a way that does not depend on the number of threads (determinism contract).
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace pellucid {

/// The calling thread is worker 0 and works too, so ThreadPool(1) starts no thread. One caller at a time.
/// Idle workers spin for some microseconds, then sleep: an idle pool uses no processor time.
class ThreadPool {
 public:
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls task(index, worker) for every index in [0, n_tasks), and returns when all are done. `task` must
  /// not throw.
  template <typename Task>
  void run(int n_tasks, const Task& task) {
    run_erased(
        n_tasks,
        [](const void* self, int index, int worker) { (*static_cast<const Task*>(self))(index, worker); },
        &task);
  }

 private:
  using Invoke = void (*)(const void* task, int index, int worker);

  void run_erased(int n_tasks, Invoke invoke, const void* task);
  void work(int worker);
  void worker_loop(int worker);

  std::vector<std::thread> workers_;
  Invoke invoke_ = nullptr;
  const void* task_ = nullptr;
  int n_tasks_ = 0;
  alignas(64) std::atomic<uint32_t> round_{0};  // a change means work, or the end
  alignas(64) std::atomic<int> next_{0};
  alignas(64) std::atomic<int> busy_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace pellucid
