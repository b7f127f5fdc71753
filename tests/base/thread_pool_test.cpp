#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <numeric>
#include <thread>

namespace pellucid {
namespace {

TEST(ThreadPool, RunsEveryTaskOnceWithWorkersInRange) {
  for (const int n_threads : {1, 2, 3, 8}) {
    ThreadPool pool(n_threads);
    EXPECT_EQ(pool.size(), n_threads);
    for (const int n_tasks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(n_tasks));
      std::atomic<bool> in_range{true};
      pool.run(n_tasks, [&](int index, int worker) {
        runs[static_cast<size_t>(index)].fetch_add(1);
        if (worker < 0 || worker >= n_threads) in_range = false;
      });
      for (const auto& count : runs) ASSERT_EQ(count.load(), 1);
      EXPECT_TRUE(in_range);
    }
  }
}

TEST(ThreadPool, WhatTasksWroteIsSeenAfterTheRound) {
  ThreadPool pool(4);
  std::vector<int> values(64);  // not atomic: the end of a round orders them (the thread sanitizer checks)
  for (int round = 1; round <= 20000; ++round) {
    pool.run(64, [&](int index, int) { values[static_cast<size_t>(index)] = round * index; });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), 0L), 2016L * round);
  }
}

TEST(ThreadPool, EachWorkerBeginsOnceAndRunsItsTasksOnThat) {
  for (const int n_threads : {1, 2, 5}) {
    ThreadPool pool(n_threads);
    struct Seen {
      std::vector<std::atomic<int>> begun;  // of each worker
      std::vector<std::atomic<int>> runs;   // of each task
      std::atomic<bool> is_own{true};
    };
    for (const int n_tasks : {0, 1, 64}) {
      Seen seen{std::vector<std::atomic<int>>(static_cast<size_t>(n_threads)),
                std::vector<std::atomic<int>>(static_cast<size_t>(n_tasks))};
      pool.run_begun(n_tasks, [&seen](int worker) {
        ++seen.begun[static_cast<size_t>(worker)];
        return [&seen, worker, thread = std::this_thread::get_id()](int index) {
          ++seen.runs[static_cast<size_t>(index)];
          if (thread != std::this_thread::get_id() || seen.begun[static_cast<size_t>(worker)] != 1) {
            seen.is_own = false;
          }
        };
      });
      for (const auto& count : seen.runs) ASSERT_EQ(count.load(), 1);
      for (const auto& count : seen.begun) ASSERT_LE(count.load(), n_tasks == 0 ? 0 : 1);
      EXPECT_TRUE(seen.is_own);
    }
  }
}

TEST(ThreadPool, StartsAndEndsOften) {
  for (int i = 0; i < 2000; ++i) {
    ThreadPool pool(3);
    std::atomic<int> sum{0};
    if (i % 2 == 0) pool.run(10, [&](int index, int) { sum += index; });
    EXPECT_EQ(sum.load(), i % 2 == 0 ? 45 : 0);
  }
}

TEST(ThreadPool, AWorkerWithoutTasksTakesThoseOfOthers) {
  ThreadPool pool(2);
  std::array<std::atomic<int>, 2> by{};
  // The first half are one worker's own and take long; the other's are done at once.
  pool.run(40, [&](int index, int worker) {
    ++by[static_cast<size_t>(worker)];
    if (index < 20) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  });
  EXPECT_EQ(by[0] + by[1], 40);
  EXPECT_GT(by[1], 20);
}

double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST(ThreadPool, IdleUsesNoProcessor) {
  ThreadPool pool(4);
  pool.run(100, [](int, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // long past the spinning
  const double before = processor_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(processor_seconds() - before, 0.01);
}

}  // namespace
}  // namespace pellucid
