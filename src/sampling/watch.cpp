#include "sampling/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "sampling/registry.h"

namespace pellucid::sampling {
namespace {

/// Ids that are watched, and where their histories are.
using Watched = std::unordered_map<int32_t, size_t>;

Standing standing_of(const Candidates& candidates, size_t rank) {
  return {rank, candidates.logits()[rank], candidates.probability(rank)};
}

/// Calls see(history index, rank) for every watched candidate that is left; the others' count and probability
/// come back.
template <typename See>
std::pair<size_t, double> visit(const Candidates& candidates, const Watched& watched, const See& see) {
  size_t others = 0;
  double mass = 0;
  for (size_t rank = 0; rank < candidates.size(); ++rank) {
    const auto found = watched.find(candidates.ids()[rank]);
    if (found != watched.end()) {
      see(found->second, rank);
    } else {
      ++others;
      mass += candidates.probability(rank);
    }
  }
  return {others, mass};
}

/// One history for each of the `top` best and of `also`, no id twice.
std::vector<CandidateHistory> open_histories(std::span<const float> logits, const Candidates& candidates,
                                             size_t top, std::span<const int32_t> also, Watched& watched) {
  std::vector<int32_t> ids(
      candidates.ids().begin(),
      candidates.ids().begin() + static_cast<ptrdiff_t>(std::min(top, candidates.size())));
  ids.insert(ids.end(), also.begin(), also.end());
  std::vector<CandidateHistory> histories;
  for (const int32_t id : ids) {
    if (!watched.emplace(id, histories.size()).second) continue;
    CandidateHistory& history = histories.emplace_back();
    history.id = id;
    history.raw_logit = logits[static_cast<size_t>(id)];
  }
  return histories;
}

/// Probability, among those that entered a stage, of those that it kept.
double mass_of(const Candidates& entered, const Candidates& kept) {
  if (kept.size() == entered.size()) return 1;
  std::unordered_set<int32_t> stayed(kept.ids().begin(), kept.ids().end());
  double sum = 0;
  for (size_t rank = 0; rank < entered.size(); ++rank) {
    if (stayed.contains(entered.ids()[rank])) sum += entered.weights()[rank];
  }
  return sum / entered.total_weight();
}

}  // namespace

bool CandidateHistory::survived() const {
  return after.empty() ? before.has_value() : after.back().has_value();
}

std::optional<size_t> CandidateHistory::removed_by() const {
  const auto gone = std::find(after.begin(), after.end(), std::nullopt);
  if (!before || gone == after.end()) return std::nullopt;
  return static_cast<size_t>(gone - after.begin());
}

Result<WatchedChain> watch_chain(std::span<const float> logits, const Settings& settings, size_t top,
                                 std::span<const int32_t> also, const Context& context, const State& state) {
  PELLUCID_CHECK(check_for(settings, logits.size()));
  for (const int32_t id : also) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) {
      return Error{ErrorCode::kUsage, fmt::format("cannot watch token {}", id),
                   fmt::format("the vocabulary has {} tokens", logits.size())};
    }
  }
  PELLUCID_TRY(const Row row_of_logits, Row::from(logits));
  Candidates candidates(row_of_logits.select({}), row_of_logits.standing());
  candidates.leave_at_least(context.least);
  const StageInput input{settings, context, state, logits.size()};

  Candidates best = candidates;
  if (is_guided(settings)) PELLUCID_CHECK(run_stage(settings.order.front(), input, best));

  Watched watched;
  WatchedChain chain;
  chain.vocabulary = logits.size();
  chain.entropy_bits_before = entropy_bits(candidates);
  chain.candidates = open_histories(logits, best, top, also, watched);
  std::tie(chain.tail.count_before, chain.tail.mass_before) =
      visit(candidates, watched,
            [&](size_t i, size_t rank) { chain.candidates[i].before = standing_of(candidates, rank); });
  for (const StageId id : settings.order) {
    if (!reported(id, settings)) continue;
    const Candidates entered = candidates;
    PELLUCID_TRY(StageReport report, run_stage(id, input, candidates));
    report.mass_kept = mass_of(entered, candidates);
    report.entropy_bits = entropy_bits(candidates);
    chain.result.reports.push_back(std::move(report));
    for (CandidateHistory& history : chain.candidates) history.after.emplace_back();
    const auto [others, mass] = visit(candidates, watched, [&](size_t i, size_t rank) {
      chain.candidates[i].after.back() = standing_of(candidates, rank);
    });
    chain.tail.count_after.push_back(others);
    chain.tail.mass_after.push_back(mass);
  }
  chain.result.candidates = std::move(candidates);
  return chain;
}

}  // namespace pellucid::sampling
