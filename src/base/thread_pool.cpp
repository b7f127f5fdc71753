#include "base/thread_pool.h"

#include <algorithm>
#include <cstring>

namespace pellucid {
namespace {

// About 20 to 50 microseconds: longer than the gap between two parallel regions of a step, much shorter than
// a token.
constexpr int kSpins = 2000;

// The word of a share: round (24 bits, so that a stale word is never mistaken for a new one), end (20), begin
// (20).
constexpr int kFieldBits = 20;
constexpr uint64_t kFieldMask = (uint64_t{1} << kFieldBits) - 1;
constexpr uint64_t kOneFromEnd = uint64_t{1} << kFieldBits;
constexpr uint64_t range(uint32_t round, int begin, int end) {
  return uint64_t{round} << (2 * kFieldBits) | static_cast<uint64_t>(end) << kFieldBits |
         static_cast<uint64_t>(begin);
}
constexpr uint64_t begin_of(uint64_t word) { return word & kFieldMask; }
constexpr uint64_t end_of(uint64_t word) { return word >> kFieldBits & kFieldMask; }
constexpr uint64_t round_of(uint64_t word) { return word >> (2 * kFieldBits); }

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");  // takes about as long; `yield` takes no time on most processors
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

/// The index of a task that is now ours, or -1 where the word has none left. Owners take from the front,
/// thieves from the end: what a worker reads stays one stream.
int take(std::atomic<uint64_t>& left, bool is_own) {
  uint64_t word = left.load(std::memory_order_acquire);
  while (begin_of(word) < end_of(word)) {
    const uint64_t rest = is_own ? word + 1 : word - kOneFromEnd;
    if (left.compare_exchange_weak(word, rest, std::memory_order_acq_rel, std::memory_order_acquire)) {
      return static_cast<int>(is_own ? begin_of(word) : end_of(rest));
    }
  }
  return -1;
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) : shares_(static_cast<size_t>(std::max(n_threads, 1))) {
  for (int worker = 1; worker < n_threads; ++worker) {
    workers_.emplace_back([this, worker] { worker_loop(worker); });
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  wake();
  for (std::thread& thread : workers_) thread.join();
}

void ThreadPool::share_out(int n_tasks, Runner runner, const void* begin, size_t begin_bytes) {
  const uint32_t all = all_ += static_cast<uint32_t>(n_tasks);
  const uint32_t round = ++round_;
  const auto first_of = [&](int worker) { return static_cast<int>(int64_t{n_tasks} * worker / size()); };
  for (int worker = size() - 1; worker >= 0; --worker) {
    Share& share = shares_[static_cast<size_t>(worker)];
    share.runner = runner;
    std::memcpy(share.begin.data(), begin, begin_bytes);
    share.left.store(range(round, first_of(worker), first_of(worker + 1)), std::memory_order_release);
  }
  // Who falls asleep counts itself, then looks at its share once more. Of two changes of the count one comes
  // first: either the sleeper is seen here, or it sees what was shared out.
  if (n_asleep_.fetch_add(0, std::memory_order_acq_rel) != 0) wake();
  work(0);
  const auto all_done = [&] { return done_.load(std::memory_order_acquire) == all; };
  if (spin_until(all_done)) return;
  for (uint32_t done = done_.load(std::memory_order_acquire); done != all;
       done = done_.load(std::memory_order_acquire)) {
    done_.wait(done, std::memory_order_acquire);
  }
}

void ThreadPool::wake() {
  wake_.fetch_add(1, std::memory_order_acq_rel);
  wake_.notify_all();
}

ThreadPool::Claim ThreadPool::claim(int worker) {
  for (int i = 0; i < size(); ++i) {
    Share& share = shares_[static_cast<size_t>((worker + i) % size())];
    const int index = take(share.left, i == 0);
    if (index >= 0) return {&share, index};
  }
  return {nullptr, -1};
}

void ThreadPool::work(int worker) {
  const Claim first = claim(worker);
  if (first.index < 0) return;
  const uint32_t n_done = first.share->runner(*this, *first.share, first.index, worker);
  done_.fetch_add(n_done, std::memory_order_acq_rel);
  if (worker != 0) done_.notify_one();  // free of a system call while the caller is not asleep
}

void ThreadPool::worker_loop(int worker) {
  const Share& own = shares_[static_cast<size_t>(worker)];
  while (!stop_.load(std::memory_order_acquire)) {
    const uint64_t own_round = round_of(own.left.load(std::memory_order_relaxed));
    work(worker);
    const auto changed = [&] { return round_of(own.left.load(std::memory_order_acquire)) != own_round; };
    if (spin_until(changed)) continue;
    const uint32_t seen = wake_.load(std::memory_order_acquire);
    n_asleep_.fetch_add(1, std::memory_order_acq_rel);
    if (!changed() && !stop_.load(std::memory_order_acquire)) wake_.wait(seen, std::memory_order_acquire);
    n_asleep_.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace pellucid
