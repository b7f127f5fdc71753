#include "sampling/chain.h"

#include "sampling/registry.h"

namespace pellucid::sampling {
namespace {

/// How many of the best suffice: the bound of the first stage that has one, if only stages that treat each
/// logit by itself run before it. 0: all are needed.
size_t sufficient(const Settings& settings) {
  for (const StageId id : settings.order) {
    const StageRow& stage = row(id);
    if (is_identity(settings, stage)) continue;
    const size_t at_most = stage.at_most(settings);
    if (at_most != 0 || !stage.pointwise) return at_most;
  }
  return 0;
}

}  // namespace

StageReport run_stage(StageId id, const Settings& settings, Candidates& candidates) {
  const StageRow& stage = row(id);
  StageReport report;
  report.stage = id;
  report.entered = candidates.standing();
  report.setting = value(settings, stage.settings.front());
  report.skipped = is_identity(settings, stage);
  if (!report.skipped) stage.run(settings, candidates, report);
  report.kept = candidates.standing();
  return report;
}

Result<ChainResult> run_chain(std::span<const float> logits, const Settings& settings) {
  PELLUCID_CHECK(check(settings));
  PELLUCID_TRY(Candidates candidates, Candidates::from_logits(logits, sufficient(settings)));
  ChainResult result{{}, std::move(candidates)};
  result.reports.reserve(settings.order.size());
  for (const StageId id : settings.order)
    result.reports.push_back(run_stage(id, settings, result.candidates));
  return result;
}

}  // namespace pellucid::sampling
