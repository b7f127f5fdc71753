#include "sampling/candidates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "sampling/block.h"
#include "sampling/exp.h"
#include "sampling/log.h"
#include "sampling/parts.h"

namespace pellucid::sampling {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

void add_to(Lanes& lanes, std::span<const double> terms) {
  size_t i = 0;
  for (; i + kLanes <= terms.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += terms[i + lane];
  }
  for (; i < terms.size(); ++i) lanes[i % kLanes] += terms[i];
}

void divide_all(std::span<double> logits, std::span<const double> divisors) {
  for (const double divisor : divisors) {
    for (double& logit : logits) logit /= divisor;
  }
}

double joined(Lanes lanes) {
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

}  // namespace

Candidates::Candidates(Row row) : standing_(row.standing()) {
  // So few that most of the row's blocks aren't even looked into.
  const size_t first = std::clamp<size_t>(row.vocabulary() / kBlock / 8, 64, 512);
  row_ = std::make_shared<const Row>(std::move(row));
  take(row_->select({.best = std::min(first, standing_)}));
}

/// As the best of the row.
void Candidates::take(Selection selection) const {
  reach_ = selection.logits.front() - selection.logits.back();
  divide_all(selection.logits, divisors_);
  ids_ = std::move(selection.ids);
  logits_ = std::move(selection.logits);
  weights_.clear();
  if (ids_.size() == standing_) leave_row();
}

/// Ranks all that are no further below the best of the row than this.
void Candidates::rank_within(double reach) const {
  Selection selection = row_->select({.below = reach});
  const double floor = selection.logits.front() - reach;
  while (selection.logits.back() < floor) {  // what was edited is always there
    selection.logits.pop_back();
    selection.ids.pop_back();
  }
  take(std::move(selection));
  reach_ = std::max(reach_, reach);
}

/// Some times as many where logits are spread as a model's. It ends at any temperature.
void Candidates::rank_more() const {
  constexpr double kNats = 2;
  constexpr double kLeast = 0x1p-10;
  rank_within(reach_ + std::max({kNats / divided(1), reach_ / 4, kLeast}));
}

void Candidates::rank_to(size_t n) const {
  if (row_ && ids_.size() < n && n == standing_) rank_within(std::numeric_limits<double>::infinity());
  while (row_ && ids_.size() < n) rank_more();
}

void Candidates::leave_row() const {
  row_ = nullptr;
  divisors_.clear();
}

std::span<const int32_t> Candidates::ids() const {
  rank_to(size());
  return ids_;
}

std::span<const double> Candidates::logits() const {
  rank_to(size());
  return logits_;
}

int32_t Candidates::id(size_t rank) const {
  rank_to(rank + 1);
  return ids_[rank];
}

double Candidates::logit(size_t rank) const {
  rank_to(rank + 1);
  return logits_[rank];
}

std::span<const double> Candidates::weights() const {
  rank_to(size());
  return ranked_weights();
}

std::span<const double> Candidates::ranked_weights() const {
  if (weights_.empty()) {
    weights_ = logits_;
    for (double& weight : weights_) weight -= logits_.front();
    exp_nonpositive(weights_);
  }
  return weights_;
}

double Candidates::weight(size_t rank) const {
  if (rank < weights_.size()) return weights_[rank];
  const double own = logit(rank);  // which may rank more, and move them all
  return exp_nonpositive(own - logits_.front());
}

/// Logits by id, to be looked through once: those of a row as they are asked for.
class Candidates::ById {
 public:
  explicit ById(const Candidates& all) : all_(&all), own_(all.row_ ? std::vector<double>() : all.by_id()) {}

  [[nodiscard]] size_t size() const { return all_->row_ ? all_->row_->vocabulary() : own_.size(); }

  /// Calls f(logits), which it may change, for the tokens [begin, end) in order, many at a time.
  template <typename F>
  void for_each_block(size_t begin, size_t end, const F& f) {
    if (!all_->row_) {
      f(std::span(own_).subspan(begin, end - begin));
      return;
    }
    all_->row_->for_each_block(begin, end, [&](std::span<double> block) {
      divide_all(block, all_->divisors_);
      f(block);
    });
  }

  /// The same of how far the logits are below the best.
  template <typename F>
  void for_each_below(size_t begin, size_t end, const F& f) {
    for_each_block(begin, end, [&, best = all_->logits_.front()](std::span<double> logits) {
      for (double& logit : logits) logit -= best;
      f(logits);
    });
  }

  /// f(begin, end) of all parts (parts.h).
  template <typename F>
  auto of_parts(const F& f) {
    return sampling::of_parts(size(), all_->row_ ? all_->row_->threads() : nullptr, f);
  }

 private:
  const Candidates* all_;
  std::vector<double> own_;
};

/// The sum over all of what f makes of (logit - best logit), which it gets many at a time: by rank once they
/// are cut, else by id in 16 lanes.
template <typename F>
double Candidates::sum_of(const F& f) const {
  if (cut_) {
    std::vector<double> terms = logits_;
    for (double& term : terms) term -= logits_.front();
    f(terms);
    return std::accumulate(terms.begin(), terms.end(), 0.0);
  }
  Lanes lanes{};
  ById all(*this);
  all.for_each_below(0, all.size(), [&](std::span<double> below) {
    f(below);
    add_to(lanes, below);
  });
  return joined(lanes);
}

/// The totals.
void Candidates::measure() const {
  if (cut_) {
    const std::span<const double> all = weights();
    total_weight_ = std::accumulate(all.begin(), all.end(), 0.0);
    total_product_ = 0;
    for (size_t i = 0; i < all.size(); ++i)
      total_product_ += all[i] > 0 ? all[i] * (logits_[i] - logits_.front()) : 0;
    return;
  }
  ById all(*this);
  const auto sums = all.of_parts([&](size_t begin, size_t end) {
    WeightSums part;
    all.for_each_below(begin, end, [&](std::span<double> below) { add_weights(below, part); });
    return std::pair(joined(part.weights), joined(part.products));
  });
  total_product_ = 0;
  for (const auto& [weight, product] : sums) {
    total_weight_ += weight;
    total_product_ += product;
  }
}

double Candidates::total_weight() const {
  if (total_weight_ == 0) measure();
  return total_weight_;
}

/// A logit of the row, as the stages have changed it since.
double Candidates::divided(double logit) const {
  for (const double divisor : divisors_) logit /= divisor;
  return logit;
}

/// Of those that are ranked and above `limit` in the row, which is the logit of the last one, and of those
/// that are edited and not.
double Candidates::known_weight(double limit) const {
  const std::span<const double> weights = ranked_weights();
  double sum = 0;
  for (size_t rank = 0; row_->logit(ids_[rank]) > limit; ++rank) sum += weights[rank];
  for (const Edit& edit : row_->edits()) {
    if (edit.logit <= limit) sum += exp_nonpositive(divided(edit.logit) - logits_.front());
  }
  return sum;
}

Candidates::Bounds Candidates::total_weight_bounds() const {
  constexpr double kLargest = 1e8;  // in float64, such logits are still known to 2^-26
  const double scale = divided(1);
  const bool tame = scale >= kLeastScale && scale <= kMostScale && std::abs(logits_.front()) <= kLargest;
  if (total_weight_ != 0 || !row_ || !tame) return {total_weight(), total_weight()};
  const double last = row_->logit(ids_.back());
  const float limit = rounded_down(last);
  const double unit = exp_nonpositive(divided(limit) - logits_.front());
  const double rough = row_->rough_weight(limit, static_cast<float>(scale));
  const double total = known_weight(last) + rough * unit;
  // Sums of n numbers in any two orders differ by less than n * 2^-52 of them.
  const double open = kRoughError * (rough + 1) * unit + static_cast<double>(size() + 4) * 0x1p-52 * total;
  return {total - open, total + open};
}

/// Without ranking more of a row than is ranked already.
std::optional<double> Candidates::logit_of(int32_t id) const {
  if (!row_) {
    const auto found = std::find(ids_.begin(), ids_.end(), id);
    if (found == ids_.end()) return std::nullopt;
    return logits_[static_cast<size_t>(found - ids_.begin())];
  }
  const double logit = row_->logit(id);
  if (logit == kMinusInfinity) return std::nullopt;
  return divided(logit);
}

std::optional<double> Candidates::probability_of(int32_t id) const {
  const std::optional<double> logit = logit_of(id);
  if (!logit) return std::nullopt;
  return exp_nonpositive(*logit - logits_.front()) / total_weight();
}

double Candidates::entropy() const {
  const double total = total_weight();
  return log_positive(total) - total_product_ / total;
}

double Candidates::standard_deviation() const {
  const auto n = static_cast<double>(size());
  const double mean = sum_of([](std::span<double> below) {
                        for (double& x : below) x = x == kMinusInfinity ? 0 : x;
                      }) /
                      n;
  const double squares = sum_of([mean](std::span<double> below) {
    for (double& x : below) x = x == kMinusInfinity ? 0 : (x - mean) * (x - mean);
  });
  return std::sqrt(squares / n);
}

double Candidates::surprise_at(double logit) const {
  return logits_.front() - logit + log_positive(total_weight());
}

std::optional<double> Candidates::surprise_of(int32_t id) const {
  const std::optional<double> logit = logit_of(id);
  if (!logit) return std::nullopt;
  return surprise_at(*logit);
}

std::optional<size_t> Candidates::rank_of(int32_t id) const {
  const auto found = std::find(ids_.begin(), ids_.end(), id);
  if (found != ids_.end()) return static_cast<size_t>(found - ids_.begin());
  const std::optional<double> own = logit_of(id);
  if (!own) return std::nullopt;
  size_t better = 0;
  int32_t other = 0;
  ById all(*this);
  all.for_each_block(0, all.size(), [&](std::span<const double> logits) {
    for (const double logit : logits) {
      const bool first = other++ < id;
      better += static_cast<size_t>(logit > *own) | static_cast<size_t>(first & (logit == *own));
    }
  });
  return better;
}

void Candidates::forget_weights() {
  weights_.clear();
  total_weight_ = 0;
}

void Candidates::divide_logits(double divisor) {
  for (double& logit : logits_) logit /= divisor;
  if (row_) divisors_.push_back(divisor);
  forget_weights();
}

void Candidates::set_logits(std::vector<double> logits) {
  rank_to(size());
  logits_ = std::move(logits);
  order();
}

void Candidates::keep_ranks(size_t begin, size_t end) {
  end = std::clamp<size_t>(std::max(end, begin + least_), 1, size());
  begin = std::min(begin, end - std::min(end, least_));
  rank_to(end);
  leave_row();
  cut_ = true;
  standing_ = end - begin;
  const auto keep = [&](auto& list) {
    list.resize(end);
    list.erase(list.begin(), list.begin() + static_cast<ptrdiff_t>(begin));
  };
  keep(ids_);
  keep(logits_);
  if (begin == 0 && weights_.size() > end) {
    weights_.resize(end);
  } else {
    weights_.clear();
  }
  total_weight_ = 0;
}

void Candidates::keep_probable(double least) {
  size_t kept = 1;
  const double best = logit(0);
  while (kept < size() && (probability(kept) >= least || logit(kept) == best)) ++kept;
  keep_best(kept);
}

std::vector<double> Candidates::by_id() const {
  rank_to(size());
  const auto highest = ids_.empty() ? 0 : *std::max_element(ids_.begin(), ids_.end()) + 1;
  std::vector<double> logits(static_cast<size_t>(highest), kMinusInfinity);
  for (size_t rank = 0; rank < size(); ++rank) logits[static_cast<size_t>(ids_[rank])] = logits_[rank];
  return logits;
}

void Candidates::apply(const Edits& edits) {
  std::vector<double> logits = by_id();
  if (edits.restricts) {
    for (size_t id = 0; id < logits.size(); ++id) {
      if (!contains(edits.only, id)) logits[id] = kMinusInfinity;
    }
  }
  for (const Edit& edit : edits.changes) {
    const auto id = static_cast<size_t>(edit.id);
    if (id >= logits.size() && edit.logit != kMinusInfinity) logits.resize(id + 1, kMinusInfinity);
    if (id < logits.size()) logits[id] = edit.logit;
  }
  ids_.clear();
  logits_.clear();
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] == kMinusInfinity) continue;
    ids_.push_back(static_cast<int32_t>(id));
    logits_.push_back(logits[id]);
  }
  standing_ = ids_.size();
  order();
}

void Candidates::order() {
  std::vector<Edit> both(size());
  for (size_t i = 0; i < size(); ++i) both[i] = {ids_[i], logits_[i]};
  std::sort(both.begin(), both.end(), better);
  for (size_t i = 0; i < size(); ++i) {
    ids_[i] = both[i].id;
    logits_[i] = both[i].logit;
  }
  forget_weights();
}

double entropy_bits(const Candidates& candidates) { return candidates.entropy() / kLn2; }

}  // namespace pellucid::sampling
