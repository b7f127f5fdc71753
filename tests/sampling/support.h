// Shared by the tests of the sampling layer: settings with everything off, and the textbook written a second
// time.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "sampling/settings.h"

namespace pellucid::sampling::test {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Every stage at its identity.
inline Settings all_off() {
  Settings settings;
  settings.temperature = 1;
  settings.top_k = 0;
  settings.top_p = 1;
  return settings;
}

/// What may be drawn and with which probability, by token id; 0 is a removed token. Plain: sorts everything,
/// softmax at each step, in long double. Default order only.
inline std::vector<double> textbook(std::span<const float> logits, const Settings& s) {
  std::vector<int> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(), [&](int a, int b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  std::erase_if(ids, [&](int id) { return std::isinf(logits[static_cast<size_t>(id)]); });
  const double t = s.temperature;
  if (t == 0) ids.resize(1);
  const auto probabilities = [&] {
    std::vector<long double> p;
    for (const int id : ids) {
      const double best = logits[static_cast<size_t>(ids.front())];
      p.push_back(
          std::exp((static_cast<long double>(logits[static_cast<size_t>(id)]) - best) / (t == 0 ? 1 : t)));
    }
    const long double total = std::accumulate(p.begin(), p.end(), 0.0L);
    for (long double& x : p) x /= total;
    return p;
  };
  if (s.top_k > 0) ids.resize(std::min(ids.size(), static_cast<size_t>(s.top_k)));
  if (s.top_p < 1) {
    const std::vector<long double> p = probabilities();
    long double sum = 0;
    size_t kept = 0;
    while (kept < p.size() && sum < s.top_p - 1e-6L) sum += p[kept++];
    ids.resize(std::max<size_t>(kept, 1));
  }
  std::vector<double> result(logits.size(), 0.0);
  const std::vector<long double> p = probabilities();
  for (size_t i = 0; i < ids.size(); ++i) result[static_cast<size_t>(ids[i])] = static_cast<double>(p[i]);
  return result;
}

}  // namespace pellucid::sampling::test
