#include "cli/bandwidth.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>

namespace pellucid::cli {
namespace {

constexpr size_t kBytes = size_t{256} << 20;
constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr size_t kStreams = 8;  // independent sums, so that no addition waits for another

uint64_t sum(const uint64_t* values, size_t n) {
  std::array<uint64_t, kStreams> sums{};
  for (size_t i = 0; i < n; i += kStreams) {
    for (size_t j = 0; j < kStreams; ++j) sums[j] += values[i + j];
  }
  uint64_t total = 0;
  for (const uint64_t s : sums) total += s;
  return total;
}

}  // namespace

BandwidthProbe::BandwidthProbe() : buffer_(kBytes / sizeof(uint64_t)) {
  // Every page gets memory of its own: untouched ones would all be the system's one zero page.
  std::memset(buffer_.data(), 1, kBytes);
}

double BandwidthProbe::measure(int n_threads) const {
  ThreadPool pool(n_threads);
  std::atomic<uint64_t> sink{0};
  const auto pass = [&] {
    pool.run(static_cast<int>(kBytes / kChunkBytes), [&](int chunk, int) {
      constexpr size_t kValues = kChunkBytes / sizeof(uint64_t);
      sink.fetch_add(sum(buffer_.data() + static_cast<size_t>(chunk) * kValues, kValues),
                     std::memory_order_relaxed);
    });
  };
  pass();
  const auto start = std::chrono::steady_clock::now();
  pass();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return kBytes / elapsed.count();
}

}  // namespace pellucid::cli
