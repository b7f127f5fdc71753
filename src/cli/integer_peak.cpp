#include "cli/integer_peak.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <numeric>

#include "base/cpu.h"
#include "base/stopwatch.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pellucid::cli {
namespace {

constexpr int kRounds = 40000;       // of a task: about half a millisecond
constexpr int kTasksPerThread = 16;  // small tasks, so that the last to end is not waited for long
constexpr int kPasses = 4;           // the first of them warms up
constexpr int kSums = 12;            // independent, more than the latency of an instruction times its rate

// An empty asm statement before a product makes its operands unknown to the compiler, so that it cannot reuse
// another product.

constexpr int kPortableValues = 64;

int portable(int rounds) {
  struct {
    std::array<int8_t, kPortableValues> a;
    std::array<int8_t, kPortableValues> b;
  } operands{};
  std::array<int32_t, kPortableValues> sums{};
  for (int r = 0; r < rounds; ++r) {
    __asm__ volatile("" : : "r"(&operands) : "memory");
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += operands.a[i] * operands.b[i];
  }
  return std::accumulate(sums.begin(), sums.end(), 0);
}

#if defined(__x86_64__)
int first_value(const void* sums) {
  int value = 0;
  std::memcpy(&value, sums, sizeof(value));
  return value;
}

__attribute__((target("avx2"))) int avx2(int rounds) {
  __m256i sums[kSums] = {};
  __m256i a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(5);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int r = 0; r < rounds; ++r) {
    for (__m256i& sum : sums) {
      __asm__ volatile("" : "+x"(a));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  }
  for (int j = 1; j < kSums; ++j) sums[0] = _mm256_add_epi32(sums[0], sums[j]);
  return first_value(sums);
}

__attribute__((target("avx2,avxvnni"))) int avxvnni(int rounds) {
  __m256i sums[kSums] = {};
  __m256i a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(5);
  for (int r = 0; r < rounds; ++r) {
    for (__m256i& sum : sums) {
      __asm__ volatile("" : "+x"(a));
      sum = _mm256_dpbusd_avx_epi32(sum, a, b);
    }
  }
  for (int j = 1; j < kSums; ++j) sums[0] = _mm256_add_epi32(sums[0], sums[j]);
  return first_value(sums);
}

// The features that CpuFeatures::avx512 stands for.
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))) int avx512(int rounds) {
  __m512i sums[kSums] = {};
  __m512i a = _mm512_set1_epi8(3);
  const __m512i b = _mm512_set1_epi8(5);
  for (int r = 0; r < rounds; ++r) {
    for (__m512i& sum : sums) {
      __asm__ volatile("" : "+v"(a));
      sum = _mm512_dpbusd_epi32(sum, a, b);
    }
  }
  for (int j = 1; j < kSums; ++j) sums[0] = _mm512_add_epi32(sums[0], sums[j]);
  return first_value(sums);
}
#endif

}  // namespace

IntegerPeakProbe::IntegerPeakProbe()
    : loop_(portable), macs_per_round_(kPortableValues), how_("portable C++, no int8 instruction") {
#if defined(__x86_64__)
  const CpuFeatures cpu = detect_cpu();
  if (cpu.avx512) {
    loop_ = avx512;
    macs_per_round_ = kSums * 64;
    how_ = "vpdpbusd, 512 bits";
  } else if (cpu.avxvnni) {
    loop_ = avxvnni;
    macs_per_round_ = kSums * 32;
    how_ = "vpdpbusd, 256 bits";
  } else if (cpu.avx2) {
    loop_ = avx2;
    macs_per_round_ = kSums * 32;
    how_ = "vpmaddubsw + vpmaddwd, 256 bits";
  }
#endif
}

double IntegerPeakProbe::measure(ThreadPool& pool) const {
  const int n_tasks = kTasksPerThread * pool.size();
  std::atomic<int> sink{0};
  double best = 0;
  for (int i = 0; i < kPasses; ++i) {
    const Stopwatch watch;
    pool.run(n_tasks, [&](int, int) { sink.fetch_add(loop_(kRounds), std::memory_order_relaxed); });
    best = std::max(best, double{kRounds} * macs_per_round_ * n_tasks / watch.seconds());
  }
  return best;
}

}  // namespace pellucid::cli
