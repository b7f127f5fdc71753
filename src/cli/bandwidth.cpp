#include "cli/bandwidth.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "base/cpu.h"
#include "base/stopwatch.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pellucid::cli {
namespace {

constexpr size_t kBytes = size_t{512} << 20;
constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr int kPasses = 4;   // the first of them warms up
constexpr size_t kSums = 8;  // independent, so that no addition waits for another

uint64_t sum_words(const std::byte* data, size_t stride, int n_streams) {
  std::array<uint64_t, kSums> sums{};
  for (size_t at = 0; at < stride; at += sizeof(sums)) {
    for (int stream = 0; stream < n_streams; ++stream) {
      std::array<uint64_t, kSums> words{};
      std::memcpy(words.data(), data + static_cast<size_t>(stream) * stride + at, sizeof(words));
      for (size_t j = 0; j < kSums; ++j) sums[j] += words[j];
    }
  }
  uint64_t total = 0;
  for (const uint64_t s : sums) total += s;
  return total;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) uint64_t sum_avx2(const std::byte* data, size_t stride, int n_streams) {
  __m256i sums[kSums] = {};
  for (size_t at = 0; at < stride; at += sizeof(sums)) {
    for (int stream = 0; stream < n_streams; ++stream) {
      const auto* vectors =
          reinterpret_cast<const __m256i*>(data + static_cast<size_t>(stream) * stride + at);
      for (size_t j = 0; j < kSums; ++j) {
        sums[j] = _mm256_add_epi64(sums[j], _mm256_load_si256(vectors + j));
      }
    }
  }
  return sum_words(reinterpret_cast<const std::byte*>(sums), sizeof(sums), 1);
}

__attribute__((target("avx512f"))) uint64_t sum_avx512(const std::byte* data, size_t stride, int n_streams) {
  __m512i sums[kSums] = {};
  for (size_t at = 0; at < stride; at += sizeof(sums)) {
    for (int stream = 0; stream < n_streams; ++stream) {
      const std::byte* vectors = data + static_cast<size_t>(stream) * stride + at;
      for (size_t j = 0; j < kSums; ++j) {
        sums[j] = _mm512_add_epi64(sums[j], _mm512_load_si512(vectors + j * sizeof(__m512i)));
      }
    }
  }
  return sum_words(reinterpret_cast<const std::byte*>(sums), sizeof(sums), 1);
}
#endif

}  // namespace

BandwidthProbe::BandwidthProbe() : buffer_(kBytes), sum_(sum_words), how_("loads as the compiler chose") {
#if defined(__x86_64__)
  const CpuFeatures cpu = detect_cpu();
  if (cpu.avx512) {
    sum_ = sum_avx512;
    how_ = "64-byte loads";
  } else if (cpu.avx2) {
    sum_ = sum_avx2;
    how_ = "32-byte loads";
  }
#endif
  // Every page gets memory of its own: untouched ones would all be the system's one zero page.
  std::memset(buffer_.data(), 1, kBytes);
}

double BandwidthProbe::fastest(ThreadPool& pool, int n_streams) const {
  std::atomic<uint64_t> sink{0};
  const auto pass = [&] {
    pool.run(static_cast<int>(kBytes / kChunkBytes), [&](int chunk, int) {
      const std::byte* data = buffer_.data() + static_cast<size_t>(chunk) * kChunkBytes;
      sink.fetch_add(sum_(data, kChunkBytes / static_cast<size_t>(n_streams), n_streams),
                     std::memory_order_relaxed);
    });
  };
  double best = 0;
  for (int i = 0; i < kPasses; ++i) {
    const Stopwatch watch;
    pass();
    best = std::max(best, kBytes / watch.seconds());
  }
  return best;
}

BandwidthProbe::Rates BandwidthProbe::measure(ThreadPool& pool) const {
  return {fastest(pool, 1), fastest(pool, kStreams)};
}

}  // namespace pellucid::cli
