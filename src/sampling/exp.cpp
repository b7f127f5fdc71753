#include "sampling/exp.h"

#include "base/cpu.h"

namespace pellucid::sampling {
namespace {

using Function = void (*)(std::span<double>);

// One body, compiled for wider vectors, too. Nothing is fused or reordered, so the bits are the same.
[[gnu::always_inline]] inline void exp_each(std::span<double> values) {
  for (double& x : values) x = exp_nonpositive(x);
}

void exp_baseline(std::span<double> values) { exp_each(values); }

#if defined(__x86_64__)
[[gnu::target("avx2")]] void exp_avx2(std::span<double> values) { exp_each(values); }

[[gnu::target("avx512f,avx512dq,avx512vl")]] void exp_avx512(std::span<double> values) { exp_each(values); }

Function choose() {
  const CpuFeatures features = detect_cpu();
  if (features.avx512) return exp_avx512;
  return features.avx2 ? exp_avx2 : exp_baseline;
}
#else
Function choose() { return exp_baseline; }
#endif

}  // namespace

void exp_nonpositive(std::span<double> values) {
  static const Function chosen = choose();
  chosen(values);
}

}  // namespace pellucid::sampling
