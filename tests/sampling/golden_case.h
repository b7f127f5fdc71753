// The random steps of the golden files, as scripts/golden_cases.py makes them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace pellucid::sampling {

/// SplitMix64.
class SplitMix {
 public:
  explicit SplitMix(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t end) { return next() % end; }

 private:
  uint64_t state_;
};

inline double golden_logit(SplitMix& random, uint64_t kind) {
  if (kind == 0) return static_cast<double>(random.below(1 << 20)) / 32768 - 16;
  if (kind == 1) return static_cast<double>(random.below(32)) / 4;
  if (kind == 2 && random.below(4) == 0) return -std::numeric_limits<double>::infinity();
  uint64_t bell = 0;
  for (int i = 0; i < 4; ++i) bell += random.below(1 << 18);
  return kind < 5 ? static_cast<double>(bell) / 65536 - 8 : static_cast<double>(bell) / 262144 - 2;
}

struct GoldenCase {
  std::vector<float> logits;
  std::vector<int32_t> tokens;
  size_t prompt_length = 0;
  int32_t end_id = 0;

  GoldenCase(uint64_t seed, uint64_t min_tokens) {
    SplitMix random(seed);
    const bool few = random.below(16) == 0;
    const uint64_t n = min_tokens + random.below(few ? 4 : 200);
    const uint64_t kind = random.below(6);
    for (uint64_t i = 0; i < n; ++i) logits.push_back(static_cast<float>(golden_logit(random, kind)));
    const float best = 12.0F + static_cast<float>(random.below(1024)) / 256;
    logits[random.below(n)] = best;
    const bool narrow = random.below(2) == 0;
    const uint64_t alphabet = std::min(n, narrow ? 1 + random.below(8) : n);
    const uint64_t length = random.below(60);
    for (uint64_t i = 0; i < length; ++i) tokens.push_back(static_cast<int32_t>(random.below(alphabet)));
    prompt_length = random.below(length + 1);
    end_id = static_cast<int32_t>(random.below(n));
  }
};

/// Two sums of p times a fixed number of its id.
inline std::pair<double, double> projections(const std::vector<double>& probabilities) {
  SplitMix random(20261124);
  const auto factor = [&] { return static_cast<double>(random.below(1 << 20)) / 524288 - 1; };
  std::pair<double, double> sums{0, 0};
  for (const double p : probabilities) {
    sums.first += p * factor();
    sums.second += p * factor();
  }
  return sums;
}

/// FNV-1a of the ids in ascending order; never 0.
inline uint32_t set_hash(std::vector<int32_t> ids) {
  std::sort(ids.begin(), ids.end());
  uint32_t value = 0x811C9DC5;
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      value = (value ^ (static_cast<uint32_t>(id) >> shift & 0xFF)) * 0x01000193;
    }
  }
  return value == 0 ? 1 : value;
}

}  // namespace pellucid::sampling
