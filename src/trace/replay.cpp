#include "trace/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "generation/branch.h"
#include "trace/step.h"

namespace pellucid::trace {
namespace {

/// True where a run was stopped before its text ended.
bool was_stopped(const Branch& branch) {
  return !branch.end || branch.end->finish_reason == to_string(generation::FinishReason::kCancelled);
}

/// Why a text that agreed step by step did not end as recorded; none where it did.
std::optional<std::string> end_difference(const generation::Generation& done, const Branch& recorded) {
  const auto made = static_cast<int>(done.tokens.size());
  if (made < recorded.n_tokens()) {
    return fmt::format("step {}: the text ended before ({}), recorded are {} steps", made,
                       to_string(done.finish_reason), recorded.n_tokens());
  }
  if (was_stopped(recorded) || recorded.end->finish_reason == to_string(done.finish_reason)) {
    return std::nullopt;
  }
  return fmt::format("the end: it is by {}, recorded is {}", to_string(done.finish_reason),
                     recorded.end->finish_reason);
}

}  // namespace

generation::GenerateOptions options_of(const Trace& trace, const Branch& branch) {
  generation::GenerateOptions options = branch.options;
  if (branch.id == 0 || branch.prompt) return options;
  const std::vector<PathStep> path = path_of(trace, branch.parent);
  for (int i = 0; i < branch.at; ++i)
    options.begun.tokens.push_back(path[static_cast<size_t>(i)].step->token);
  const PathStep& at = path[static_cast<size_t>(branch.at)];
  options.begun.state = at.step->state;
  const bool same_bans = at.branch->options.settings.ban_phrases == options.settings.ban_phrases;
  if (same_bans && options.begun.take.empty()) options.begun.banned = at.step->banned;
  if (!same_bans) options.begun.state.redraws = 0;
  return options;
}

Result<Replayed> replay(generation::Engine& engine, const Trace& trace, int id, bool speculate,
                        const generation::Cancelled& cancelled) {
  PELLUCID_TRY(const Branch* branch, find_branch(trace, id));
  if (branch->steps.empty()) {
    return Error{ErrorCode::kBadTrace, "nothing to replay", fmt::format("branch {} has no steps", id)};
  }
  generation::GenerateOptions options = options_of(trace, *branch);
  options.speculate = speculate;
  options.cancelled = cancelled;
  const std::vector<const Step*> recorded = recorded_steps(*branch);
  for (const Step* step : recorded) {
    options.watch = std::max(options.watch, to_watch(step->candidates.size()));
  }
  // A run that was stopped is replayed up to there.
  const bool cut = was_stopped(*branch);

  Replayed result;
  const auto piece_of = [&engine](int32_t token) { return shown_piece(engine.tokenizer(), token); };
  size_t n_seen = 0;
  const auto compare = [&](const generation::StepView& view) {
    const size_t seen = n_seen++;
    if (seen >= recorded.size()) {
      result.difference =
          fmt::format("step {}: the text goes on, recorded are {} steps", view.index, view.index);
      return;
    }
    const Step& step = *recorded[seen];
    const Step made = traced_step(view, step.candidates.size(), piece_of);
    const auto found = difference(made, step);
    if (found) result.difference = fmt::format("step {}: {}", view.index, *found);
    result.n_confirmed += found ? 0 : 1;
  };
  const auto observe = [&](const generation::StepView& view) {
    compare(view);
    const bool all = cut && n_seen == recorded.size();
    return !result.difference && !all && !(cancelled && cancelled());
  };
  generation::Sequence sequence = engine.new_sequence();
  const auto run = generation::branch_off(engine, sequence, prompt_of(trace, id).tokens, options, observe);
  if (!run.ok()) {  // all that it was given is the trace's
    Error error = run.error();
    if (error.code == ErrorCode::kUsage) error.code = ErrorCode::kBadTrace;
    return error;
  }
  const generation::Generation& done = run.value();
  const bool stopped = done.finish_reason == generation::FinishReason::kCancelled;
  if (!result.difference && !stopped) result.difference = end_difference(done, *branch);
  return result;
}

}  // namespace pellucid::trace
