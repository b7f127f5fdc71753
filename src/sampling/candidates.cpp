#include "sampling/candidates.h"

#include <algorithm>
#include <cmath>

#include "sampling/exp.h"
#include "sampling/select.h"

namespace pellucid::sampling {

Result<Candidates> Candidates::from_logits(std::span<const float> row, size_t limit) {
  PELLUCID_TRY(Selection selection, select_best(row, limit));
  Candidates candidates;
  candidates.ids_ = std::move(selection.ids);
  candidates.logits_.assign(selection.logits.begin(), selection.logits.end());
  candidates.standing_ = selection.available;
  return candidates;
}

std::span<const double> Candidates::weights() const {
  if (weights_.empty()) {
    weights_.resize(logits_.size());
    const double best = logits_.front();
    for (size_t i = 0; i < logits_.size(); ++i) weights_[i] = exp_nonpositive(logits_[i] - best);
  }
  return weights_;
}

double Candidates::total_weight() const {
  if (total_weight_ == 0) {
    for (const double weight : weights()) total_weight_ += weight;
  }
  return total_weight_;
}

void Candidates::divide_logits(double divisor) {
  for (double& logit : logits_) logit /= divisor;
  weights_.clear();
  total_weight_ = 0;
}

void Candidates::keep_best(size_t count) {
  standing_ = std::clamp<size_t>(count, 1, size());
  ids_.resize(standing_);
  logits_.resize(standing_);
  if (!weights_.empty()) weights_.resize(standing_);
  total_weight_ = 0;
}

double entropy_bits(const Candidates& candidates) {
  double sum = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double p = candidates.probability(i);
    if (p > 0) sum -= p * std::log2(p);
  }
  return sum;
}

}  // namespace pellucid::sampling
