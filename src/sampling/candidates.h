// The tokens that are still in the running for one step, best first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sampling/row.h"

namespace pellucid::sampling {

/// Ids and logits of who is left, always ordered by logit descending, then id ascending. Probabilities are a
/// view of that: softmax over who is left, float64, summed from the most likely down. Empty only between an
/// edit that rules everything out and the chain's error.
///
/// Logits are float64 from here on, so that a temperature never makes two different logits equal.
class Candidates {
 public:
  Candidates() = default;
  Candidates(Selection selection, size_t standing)
      : ids_(std::move(selection.ids)), logits_(std::move(selection.logits)), standing_(standing) {}

  [[nodiscard]] size_t size() const { return ids_.size(); }
  [[nodiscard]] std::span<const int32_t> ids() const { return ids_; }
  [[nodiscard]] std::span<const double> logits() const { return logits_; }

  /// How many tokens the set stands for: more than size() only where the row was told that fewer suffice
  /// (Enough), and no stage has cut the set since.
  [[nodiscard]] size_t standing() const { return standing_; }

  /// exp(logit - best logit) of each, and their sum. Computed on first use: the first call isn't thread-safe.
  [[nodiscard]] std::span<const double> weights() const;
  [[nodiscard]] double total_weight() const;

  /// weights()[rank] / total_weight().
  [[nodiscard]] double probability(size_t rank) const { return weights()[rank] / total_weight(); }

  /// -ln of probability(rank), from the logits: exact where the probability would be 0.
  [[nodiscard]] double surprise(size_t rank) const;

  /// Divides every logit by `divisor` > 0, which keeps the order.
  void divide_logits(double divisor);

  /// Replaces every logit, and orders anew.
  void set_logits(std::vector<double> logits);

  /// Drops all but the `count` best; at least one stays.
  void keep_best(size_t count) { keep_ranks(0, count); }

  /// Drops all but the ranks [begin, end); one at least stays.
  void keep_ranks(size_t begin, size_t end);

  /// Drops who has a lower probability than this. The best stays, and who equals it.
  void keep_probable(double least);

  /// Logits by token id, -inf for who isn't here, up to the highest id.
  [[nodiscard]] std::vector<double> by_id() const;
  void apply(const Edits& edits);

 private:
  void order();
  void forget_weights();

  std::vector<int32_t> ids_;
  std::vector<double> logits_;
  size_t standing_ = 0;
  mutable std::vector<double> weights_;  // empty, or exp(logits_[i] - logits_[0])
  mutable double total_weight_ = 0;      // 0 until it is asked for
};

/// -sum p ln p over who is left, in nats; and the same in bits.
double entropy(const Candidates& candidates);
double entropy_bits(const Candidates& candidates);

}  // namespace pellucid::sampling
