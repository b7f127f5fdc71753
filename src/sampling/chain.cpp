#include "sampling/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "sampling/margin.h"
#include "sampling/registry.h"

namespace pellucid::sampling {
namespace {

constexpr size_t kLarge = 8192;  // above it, ranking all of a vocabulary takes long

StageReport opened(const StageRow& stage, const Settings& settings, size_t standing) {
  StageReport report;
  report.stage = stage.id;
  report.entered = standing;
  report.kept = standing;
  report.setting = value(settings, stage.settings.front());
  report.skipped = is_identity(settings, stage);
  return report;
}

/// Named by the first of its settings that does something.
Error rules_out_all(const StageRow& stage, const Settings& settings) {
  const auto set = std::ranges::find_if(
      stage.settings, [&](const SettingRow& one) { return value(settings, one) != one.identity; });
  const SettingRow& setting = set == stage.settings.end() ? stage.settings.front() : *set;
  return {ErrorCode::kUsage, fmt::format("setting {}", setting.name),
          "it rules out every token that is left"};
}

/// Runs a stage that edits, on a Row or on Candidates.
template <typename Target>
Result<StageReport> run_edits(const StageRow& stage, const StageInput& input, const LogitOf& logit,
                              Target& target) {
  StageReport report = opened(stage, input.settings, target.standing());
  if (report.skipped) return report;
  const Edits edits = stage.edit(input, logit, report);
  report.changed = edits.changes.size();
  target.apply(edits);
  report.kept = target.standing();
  if (report.kept == 0) return rules_out_all(stage, input.settings);
  return report;
}

/// Runs a stage that makes all logits anew.
Result<std::vector<float>> run_remake(const StageRow& stage, const StageInput& input,
                                      std::span<const float> logits, StageReport& report) {
  const auto standing = [](std::span<const float> row) {
    const auto stands = [](float x) { return x != -std::numeric_limits<float>::infinity(); };
    return static_cast<size_t>(std::ranges::count_if(row, stands));
  };
  report = opened(stage, input.settings, standing(logits));
  PELLUCID_TRY(std::vector<float> remade, stage.remake(input, logits));
  report.kept = standing(remade);
  report.changed = report.kept;
  if (report.kept == 0) return rules_out_all(stage, input.settings);
  return remade;
}

/// The same of candidates that no stage has changed.
Result<StageReport> run_remake(const StageRow& stage, const StageInput& input, Candidates& candidates) {
  const std::vector<double> by_id = candidates.by_id();
  std::vector<float> logits(by_id.begin(), by_id.end());
  logits.resize(input.vocabulary, -std::numeric_limits<float>::infinity());
  StageReport report;
  PELLUCID_TRY(const std::vector<float> remade, run_remake(stage, input, logits, report));
  PELLUCID_TRY(const Row row_of_logits, Row::from(remade));
  candidates = Candidates(row_of_logits.select({}), row_of_logits.standing());
  return report;
}

/// What the stages from `next` on need: the bound of the first one that has one, if only stages that treat
/// each logit by itself run before it.
Enough enough_for(std::span<const StageId> rest, const Settings& settings, size_t least) {
  double divisor = 1;
  for (const StageId id : rest) {
    const StageRow& stage = row(id);
    if (is_identity(settings, stage)) continue;
    if (stage.enough != nullptr) {
      Enough enough = stage.enough(settings);
      enough.below = least == 1 ? enough.below * divisor : std::numeric_limits<double>::infinity();
      if (enough.best != 0) enough.best = std::max(enough.best, least);
      if (!enough.all()) return enough;
    }
    if (!stage.pointwise) break;
    if (stage.divisor != nullptr) divisor *= stage.divisor(settings);
  }
  return {};
}

void begin(WatchedBest& watched, const Row& row_of_logits) {
  watched.best = row_of_logits.select({.best = watched.top});
  watched.removed_by.assign(watched.best.ids.size(), std::nullopt);
}

/// Who is no longer left after the latest stage. Until one has removed any, those who are not picked stand
/// too.
template <typename IsLeft>
void note(WatchedBest* watched, const std::vector<StageReport>& reports, const IsLeft& is_left) {
  if (watched == nullptr || reports.back().removed() == 0) return;
  for (size_t i = 0; i < watched->removed_by.size(); ++i) {
    if (!watched->removed_by[i] && !is_left(watched->best.ids[i]))
      watched->removed_by[i] = reports.size() - 1;
  }
}

}  // namespace

Result<void> check_for(const Settings& settings, size_t vocabulary) {
  PELLUCID_CHECK(check(settings));
  for (const StageRow& stage : stages()) {
    for (const SettingRow& setting : stage.settings) {
      const int32_t id = highest_id(settings, setting);
      if (id < 0 || static_cast<size_t>(id) < vocabulary) continue;
      return Error{ErrorCode::kUsage, fmt::format("setting {}", setting.name),
                   fmt::format("there is no token {}: the vocabulary has {}", id, vocabulary)};
    }
  }
  return {};
}

bool reported(StageId id, const Settings& settings) {
  return row(id).shown_when_off || !is_identity(settings, row(id));
}

Result<StageReport> run_stage(StageId id, const StageInput& input, Candidates& candidates) {
  const StageRow& stage = row(id);
  if (stage.remake != nullptr && !is_identity(input.settings, stage)) {
    return run_remake(stage, input, candidates);
  }
  if (stage.edit != nullptr) {
    const std::vector<double> by_id = candidates.by_id();
    const LogitOf logit = [&by_id](int32_t token) {
      const bool inside = token >= 0 && static_cast<size_t>(token) < by_id.size();
      return inside ? by_id[static_cast<size_t>(token)] : -std::numeric_limits<double>::infinity();
    };
    return run_edits(stage, input, logit, candidates);
  }
  StageReport report = opened(stage, input.settings, candidates.standing());
  if (!report.skipped) stage.run(input, candidates, report);
  report.kept = candidates.standing();
  return report;
}

Result<ChainResult> run_chain(std::span<const float> logits, const Settings& settings, const Context& context,
                              const State& state, WatchedBest* watched, ThreadPool* threads) {
  PELLUCID_CHECK(check_for(settings, logits.size()));
  const StageInput input{settings, context, state, logits.size(), watched != nullptr};
  ChainResult result;
  std::span<const StageId> rest = settings.order;
  std::vector<float> guided;
  if (is_guided(settings)) {
    PELLUCID_TRY(guided, run_remake(row(rest.front()), input, logits, result.reports.emplace_back()));
    rest = rest.subspan(1);
  }
  PELLUCID_TRY(Row row_of_logits,
               guided.empty() ? Row::from(logits, threads) : Row::owning(std::move(guided), threads));
  if (watched != nullptr) begin(*watched, row_of_logits);
  const LogitOf logit = [&](int32_t id) { return row_of_logits.logit(id); };
  for (; !rest.empty(); rest = rest.subspan(1)) {
    const StageRow& stage = row(rest.front());
    if (is_identity(settings, stage) && !reported(stage.id, settings)) continue;
    if (stage.edit == nullptr) break;
    PELLUCID_TRY(StageReport report, run_edits(stage, input, logit, row_of_logits));
    result.reports.push_back(std::move(report));
    note(watched, result.reports, [&](int32_t id) { return logit(id) != kRuledOut; });
  }
  if (watched != nullptr) watched->gap = gap_of(row_of_logits.select({.best = 2}));
  const size_t standing = row_of_logits.standing();
  const Enough enough = enough_for(rest, settings, context.least);
  if (enough.all() && standing > kLarge) {
    result.candidates = Candidates(std::move(row_of_logits));
  } else {
    result.candidates = Candidates(row_of_logits.select(enough), standing);
  }
  result.candidates.leave_at_least(context.least);
  for (const StageId id : rest) {
    if (!reported(id, settings)) continue;
    PELLUCID_TRY(StageReport report, run_stage(id, input, result.candidates));
    result.reports.push_back(std::move(report));
    note(watched, result.reports, [&](int32_t token) { return result.candidates.holds(token); });
  }
  return result;
}

State advanced(State state, const Settings& settings, const ChainResult& chain, const Draw& draw) {
  for (const StageReport& report : chain.reports) {
    const StageRow& stage = row(report.stage);
    if (!report.skipped && stage.advance != nullptr) stage.advance(settings, report, draw, state);
  }
  return state;
}

}  // namespace pellucid::sampling
