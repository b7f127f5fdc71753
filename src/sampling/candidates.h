// The tokens that are still in the running for one step, best first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sampling/row.h"

namespace pellucid::sampling {

/// Ids and logits of who is left, always ordered by logit descending, then id ascending. Probabilities are a
/// view of that: softmax over who is left, float64. Their sum is taken from the most likely down once a stage
/// has cut the set, and in order of id before (of parts of 16,384 tokens, each in 16 lanes), so that it needs
/// no sort. Empty only between an edit that rules everything out and the chain's error.
///
/// Logits are float64 from here on, so that a temperature never makes two different logits equal. A set made
/// from a whole Row views the logits as that does, and ranks as many tokens as it is asked for: functions
/// that take a rank cost little where the rank is small; ids(), logits() and weights() rank all. Not
/// thread-safe, const functions neither.
class Candidates {
 public:
  Candidates() = default;
  Candidates(Selection selection, size_t standing)
      : ids_(std::move(selection.ids)), logits_(std::move(selection.logits)), standing_(standing) {}
  explicit Candidates(Row row);

  [[nodiscard]] size_t size() const { return row_ ? standing_ : ids_.size(); }
  [[nodiscard]] std::span<const int32_t> ids() const;
  [[nodiscard]] std::span<const double> logits() const;
  [[nodiscard]] int32_t id(size_t rank) const;
  [[nodiscard]] double logit(size_t rank) const;

  /// How many tokens the set stands for: more than size() only where the row was told that fewer suffice
  /// (Enough), and no stage has cut the set since.
  [[nodiscard]] size_t standing() const { return standing_; }

  /// exp(logit - best logit), of each and of one; and their sum.
  [[nodiscard]] std::span<const double> weights() const;
  [[nodiscard]] double weight(size_t rank) const;
  [[nodiscard]] double total_weight() const;

  /// What total_weight() is between: where it isn't known yet, float32 sums tell it of those that are not
  /// ranked, so that it is the narrower the more are.
  struct Bounds {
    double low;
    double high;
  };
  [[nodiscard]] Bounds total_weight_bounds() const;

  /// How many ranks cost nothing to ask for.
  [[nodiscard]] size_t ranked() const { return ids_.size(); }

  /// Makes ranked() larger by those that are not much less likely. There must be some that are not ranked.
  void rank_more() const;

  /// weight(rank) / total_weight().
  [[nodiscard]] double probability(size_t rank) const { return weight(rank) / total_weight(); }

  /// Whether a token is among those who are left. Where the set stands for more than size(), a token that is
  /// not ranked counts as gone.
  [[nodiscard]] bool holds(int32_t id) const { return logit_of(id).has_value(); }

  /// probability() of a token; none where it isn't here.
  [[nodiscard]] std::optional<double> probability_of(int32_t id) const;

  /// -sum p ln p, in nats.
  [[nodiscard]] double entropy() const;

  /// Of the logits, over the population.
  [[nodiscard]] double standard_deviation() const;

  /// -ln of probability(rank), from the logits: exact where the probability would be 0.
  [[nodiscard]] double surprise(size_t rank) const { return surprise_at(logit(rank)); }

  /// surprise() of a token; none where it isn't here.
  [[nodiscard]] std::optional<double> surprise_of(int32_t id) const;

  /// The rank of a token, 0 is the best; none where it isn't here. Sorts nothing.
  [[nodiscard]] std::optional<size_t> rank_of(int32_t id) const;

  /// Divides every logit by `divisor` > 0, which keeps the order.
  void divide_logits(double divisor);

  /// Replaces every logit, and orders anew.
  void set_logits(std::vector<double> logits);

  /// From here on, no cut leaves fewer than this, but that of apply().
  void leave_at_least(size_t least) { least_ = least; }
  [[nodiscard]] size_t least() const { return least_; }

  /// Drops all but the `count` best; at least least() stay, as in the others.
  void keep_best(size_t count) { keep_ranks(0, count); }

  /// Drops all but the ranks [begin, end), or as many more beside them as have to stay.
  void keep_ranks(size_t begin, size_t end);

  /// Drops who has a lower probability than this. The best stays, and who equals it.
  void keep_probable(double least);

  /// Logits by token id, -inf for who isn't here, up to the highest id.
  [[nodiscard]] std::vector<double> by_id() const;
  void apply(const Edits& edits);

 private:
  class ById;
  [[nodiscard]] std::optional<double> logit_of(int32_t id) const;
  [[nodiscard]] double surprise_at(double logit) const;
  void order();
  void forget_weights();
  void measure() const;
  void take(Selection selection) const;
  void rank_within(double reach) const;
  void rank_to(size_t n) const;
  void leave_row() const;
  [[nodiscard]] double divided(double logit) const;
  [[nodiscard]] std::span<const double> ranked_weights() const;
  [[nodiscard]] double known_weight(double limit) const;
  template <typename F>
  [[nodiscard]] double sum_of(const F& f) const;

  mutable std::vector<int32_t> ids_;  // the best, as many as are ranked
  mutable std::vector<double> logits_;
  size_t standing_ = 0;
  size_t least_ = 1;
  bool cut_ = false;                        // by a stage
  mutable std::shared_ptr<const Row> row_;  // while not all are ranked
  mutable double reach_ = 0;                // of those that are ranked, below the best in the row
  mutable std::vector<double> divisors_;    // of the row's logits
  mutable std::vector<double> weights_;     // empty, or exp(logits_[i] - logits_[0]) of all that are ranked
  mutable double total_weight_ = 0;         // 0 until it is asked for
  mutable double total_product_ = 0;        // of weights and how far their logits are below the best
};

/// -sum p log2 p over who is left, in bits.
double entropy_bits(const Candidates& candidates);

}  // namespace pellucid::sampling
