// The tokens that are still in the running for one step, best first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"

namespace pellucid::sampling {

/// Ids and logits of who is left, always ordered by logit descending, then id ascending. Probabilities are a
/// view of that: softmax over who is left, float64, summed from the most likely down. Never empty.
///
/// Logits are float64 from here on, so that a temperature never makes two different logits equal.
class Candidates {
 public:
  /// The `limit` best (0: all) of a row of logits, index = token id; see select_best() for -inf and errors.
  static Result<Candidates> from_logits(std::span<const float> row, size_t limit = 0);

  [[nodiscard]] size_t size() const { return ids_.size(); }
  [[nodiscard]] std::span<const int32_t> ids() const { return ids_; }
  [[nodiscard]] std::span<const double> logits() const { return logits_; }

  /// How many tokens the set stands for: more than size() only where from_logits() was told to look no
  /// further than the `limit` best, and no stage has cut the set since.
  [[nodiscard]] size_t standing() const { return standing_; }

  /// exp(logit - best logit) of each, and their sum. Computed on first use: the first call isn't thread-safe.
  [[nodiscard]] std::span<const double> weights() const;
  [[nodiscard]] double total_weight() const;

  /// weights()[rank] / total_weight().
  [[nodiscard]] double probability(size_t rank) const { return weights()[rank] / total_weight(); }

  /// Divides every logit by `divisor` > 0, which keeps the order.
  void divide_logits(double divisor);

  /// Drops all but the `count` best; at least one stays.
  void keep_best(size_t count);

 private:
  std::vector<int32_t> ids_;
  std::vector<double> logits_;
  size_t standing_ = 0;
  mutable std::vector<double> weights_;  // empty, or exp(logits_[i] - logits_[0])
  mutable double total_weight_ = 0;      // 0 until it is asked for
};

/// -sum p log2 p over who is left, in bits.
double entropy_bits(const Candidates& candidates);

}  // namespace pellucid::sampling
