#include "sampling/prediction.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sampling/exp.h"
#include "sampling/log.h"
#include "sampling/parts.h"
#include "sampling/row.h"

namespace pellucid::sampling {
namespace {

/// Over all tokens, relative to the best: of exp(x - best), and of that times (x - best).
TailSums sums_of(std::span<const float> logits, const Selection& best, ThreadPool* threads) {
  const double highest = best.logits.front();
  const double limit = best.logits.back();
  TailSums sums;
  for (const TailSums& part : of_parts(logits.size(), threads, [&](size_t begin, size_t end) {
         return tail_sums(logits.subspan(begin, end - begin), static_cast<float>(limit));
       })) {
    sums.weights += part.weights;
    sums.products += part.products;
  }
  const double unit = exp_nonpositive(limit - highest);
  sums.products = unit * (sums.products + (limit - highest) * sums.weights);
  sums.weights *= unit;
  for (const double logit : best.logits) {
    if (logit == limit) break;
    const double weight = exp_nonpositive(logit - highest);
    sums.weights += weight;
    sums.products += weight * (logit - highest);
  }
  return sums;
}

size_t rank_of(int32_t token, std::span<const float> logits, const Selection& best, ThreadPool* threads) {
  const auto found = std::find(best.ids.begin(), best.ids.end(), token);
  if (found != best.ids.end()) return static_cast<size_t>(found - best.ids.begin());
  const auto place = static_cast<size_t>(token);
  const float own = logits[place];
  const auto reaching = of_parts(logits.size(), threads, [&](size_t begin, size_t end) {
    const size_t middle = std::clamp(place, begin, end);
    int n = 0;
    for (size_t id = begin; id < middle; ++id) n += logits[id] >= own ? 1 : 0;
    for (size_t id = middle; id < end; ++id) n += logits[id] > own ? 1 : 0;
    return n;
  });
  return static_cast<size_t>(std::accumulate(reaching.begin(), reaching.end(), 0));
}

}  // namespace

Result<Prediction> prediction_of(std::span<const float> logits, int32_t token, ThreadPool* threads) {
  constexpr size_t kBest = 32;
  PELLUCID_TRY(const Row row, Row::from(logits, threads));
  const Selection best = row.select({.best = std::min(kBest, row.standing())});
  const TailSums sums = sums_of(logits, best, threads);
  const double highest = best.logits.front();
  const double log_sum = log_positive(sums.weights);  // relative to the highest
  Prediction prediction;
  prediction.log_sum_exp = highest + log_sum;
  prediction.entropy_bits = (log_sum - sums.products / sums.weights) / kLn2;
  const double own = row.logit(token);
  if (std::isinf(own)) return prediction;
  prediction.probability = exp_nonpositive(own - highest) / sums.weights;
  prediction.rank = rank_of(token, logits, best, threads);
  prediction.surprise_bits = (highest - own + log_sum) / kLn2;
  return prediction;
}

}  // namespace pellucid::sampling
