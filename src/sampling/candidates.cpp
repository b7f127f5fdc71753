#include "sampling/candidates.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "sampling/exp.h"
#include "sampling/log.h"

namespace pellucid::sampling {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

}  // namespace

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

double Candidates::surprise(size_t rank) const {
  return logits_.front() - logits_[rank] + log_positive(total_weight());
}

void Candidates::forget_weights() {
  weights_.clear();
  total_weight_ = 0;
}

void Candidates::divide_logits(double divisor) {
  for (double& logit : logits_) logit /= divisor;
  forget_weights();
}

void Candidates::set_logits(std::vector<double> logits) {
  logits_ = std::move(logits);
  order();
}

void Candidates::keep_ranks(size_t begin, size_t end) {
  end = std::clamp<size_t>(end, 1, size());
  begin = std::min(begin, end - 1);
  standing_ = end - begin;
  const auto keep = [&](auto& list) {
    list.resize(end);
    list.erase(list.begin(), list.begin() + static_cast<ptrdiff_t>(begin));
  };
  keep(ids_);
  keep(logits_);
  if (begin == 0 && !weights_.empty()) {
    weights_.resize(end);
  } else {
    weights_.clear();
  }
  total_weight_ = 0;
}

void Candidates::keep_probable(double least) {
  size_t kept = 1;
  while (kept < size() && (probability(kept) >= least || logits_[kept] == logits_[0])) ++kept;
  keep_best(kept);
}

std::vector<double> Candidates::by_id() const {
  const auto highest = ids_.empty() ? 0 : *std::max_element(ids_.begin(), ids_.end()) + 1;
  std::vector<double> logits(static_cast<size_t>(highest), kMinusInfinity);
  for (size_t rank = 0; rank < size(); ++rank) logits[static_cast<size_t>(ids_[rank])] = logits_[rank];
  return logits;
}

void Candidates::apply(const Edits& edits) {
  std::vector<double> logits = by_id();
  if (edits.restricts) {
    std::vector<double> kept(logits.size(), kMinusInfinity);
    for (const int32_t id : edits.only) {
      if (static_cast<size_t>(id) < kept.size())
        kept[static_cast<size_t>(id)] = logits[static_cast<size_t>(id)];
    }
    logits = std::move(kept);
  }
  for (const Edit& edit : edits.changes) {
    if (static_cast<size_t>(edit.id) < logits.size()) logits[static_cast<size_t>(edit.id)] = edit.logit;
  }
  size_t left = 0;
  for (size_t rank = 0; rank < size(); ++rank) {
    const double logit = logits[static_cast<size_t>(ids_[rank])];
    if (logit == kMinusInfinity) continue;
    ids_[left] = ids_[rank];
    logits_[left++] = logit;
  }
  ids_.resize(left);
  logits_.resize(left);
  standing_ = left;
  order();
}

void Candidates::order() {
  std::vector<Edit> both(size());
  for (size_t i = 0; i < size(); ++i) both[i] = {ids_[i], logits_[i]};
  std::sort(both.begin(), both.end(), [](const Edit& a, const Edit& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  });
  for (size_t i = 0; i < size(); ++i) {
    ids_[i] = both[i].id;
    logits_[i] = both[i].logit;
  }
  forget_weights();
}

double entropy(const Candidates& candidates) {
  const std::span<const double> weights = candidates.weights();
  const std::span<const double> logits = candidates.logits();
  double sum = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (weights[i] > 0) sum += weights[i] * (logits.front() - logits[i]);
  }
  const double total = candidates.total_weight();
  return sum / total + log_positive(total);
}

double entropy_bits(const Candidates& candidates) { return entropy(candidates) / kLn2; }

}  // namespace pellucid::sampling
