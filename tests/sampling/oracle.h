// The textbook, as slowly as it is written there: full sort, float64, no shared code with src/sampling. And
// random steps to try both on.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "sampling/settings.h"

namespace pellucid::sampling {

struct OracleToken {
  int32_t id;
  double logit;
  double probability;
};

inline void oracle_softmax(std::vector<OracleToken>& tokens) {
  double sum = 0;
  for (OracleToken& token : tokens) sum += token.probability = std::exp(token.logit - tokens.front().logit);
  for (OracleToken& token : tokens) token.probability /= sum;
}

/// Who is left, best first, with probabilities.
inline std::vector<OracleToken> oracle_chain(const std::vector<float>& logits, const Settings& settings) {
  std::vector<OracleToken> tokens;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!std::isinf(logits[id])) tokens.push_back({static_cast<int32_t>(id), logits[id], 0});
  }
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const OracleToken& a, const OracleToken& b) { return a.logit > b.logit; });
  for (const StageId stage : settings.order) {
    if (stage == StageId::kTemperature && settings.temperature == 0) tokens.resize(1);
    if (stage == StageId::kTemperature && settings.temperature > 0) {
      for (OracleToken& token : tokens) token.logit /= settings.temperature;
    }
    if (stage == StageId::kTopK && settings.top_k > 0) {
      tokens.resize(std::min(tokens.size(), static_cast<size_t>(settings.top_k)));
    }
    if (stage == StageId::kTopP && settings.top_p < 1) {
      oracle_softmax(tokens);
      size_t kept = 0;
      double sum = 0;
      while (kept < tokens.size() && (kept == 0 || sum < settings.top_p - 1e-6))
        sum += tokens[kept++].probability;
      tokens.resize(kept);
    }
  }
  oracle_softmax(tokens);
  return tokens;
}

/// True where some prefix of the probabilities entering top-p lies so near p that rounding decides: both
/// answers are right there, and an exact comparison with an oracle means nothing.
inline bool undecided(const std::vector<float>& logits, Settings settings) {
  const auto at = std::find(settings.order.begin(), settings.order.end(), StageId::kTopP);
  if (at == settings.order.end() || settings.top_p == 1) return false;
  const double wanted = settings.top_p - 1e-6;
  settings.order.erase(at, settings.order.end());
  double sum = 0;
  for (const OracleToken& token : oracle_chain(logits, settings)) {
    sum += token.probability;
    if (std::abs(sum - wanted) < 1e-12) return true;
  }
  return false;
}

/// Logits and settings of every kind that may break something: ties, masks, denormals, huge, tiny and equal
/// ones.
class RandomSteps {
 public:
  explicit RandomSteps(uint32_t seed) : random_(seed) {}

  std::vector<float> logits(size_t most) {
    std::vector<float> row(1 + below(most));
    const size_t kind = below(7);
    for (float& x : row) x = value(kind);
    if (below(3) == 0) {
      for (float& x : row) x = below(4) == 0 ? -std::numeric_limits<float>::infinity() : x;
    }
    row[below(row.size())] = value(kind);  // at least one that isn't masked
    return row;
  }

  Settings settings() {
    static constexpr double kTemperatures[] = {0, 1e-9, 1e-3, 0.1, 0.5, 0.7, 1, 1, 1.3, 2, 10, 1e9};
    static constexpr double kNuclei[] = {0, 1e-9, 0.1, 0.5, 0.9, 0.95, 0.999999, 1, 1};
    Settings settings;
    settings.temperature = kTemperatures[below(std::size(kTemperatures))];
    settings.top_k = static_cast<int32_t>(below(3) == 0 ? 0 : 1 + below(60));
    settings.top_p = below(4) == 0 ? 1 - std::exp2(-static_cast<double>(1 + below(52)))
                                   : kNuclei[below(std::size(kNuclei))];
    settings.order = {StageId::kTemperature, StageId::kTopK, StageId::kTopP};
    std::shuffle(settings.order.begin(), settings.order.end(), random_);
    settings.order.resize(settings.order.size() - (below(5) == 0 ? below(4) : 0));
    return settings;
  }

  size_t below(size_t end) { return static_cast<size_t>(random_() % end); }

 private:
  float value(size_t kind) {
    std::normal_distribution<float> normal;
    switch (kind) {
      case 0:
        return 3 * normal(random_);
      case 1:
        return static_cast<float>(below(4));  // ties
      case 2:
        return 1;  // all equal
      case 3:
        return std::numeric_limits<float>::denorm_min() * static_cast<float>(below(9)) *
               (below(2) == 0 ? 1.F : -1.F);
      case 4:
        return std::numeric_limits<float>::max() * (below(2) == 0 ? 1.F : -1.F) /
               static_cast<float>(1 + below(3));
      case 5:
        return 1e-3F * normal(random_);
      default:
        return below(2) == 0 ? 0.F : -0.F;
    }
  }

  std::mt19937 random_;
};

}  // namespace pellucid::sampling
