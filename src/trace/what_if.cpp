#include "trace/what_if.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "generation/chooser.h"
#include "sampling/chain.h"
#include "trace/step.h"

namespace pellucid::trace {
namespace {

/// The texts of all tokens that the trace names.
std::map<int32_t, std::string> pieces_in(const Trace& trace) {
  std::map<int32_t, std::string> pieces;
  for (const Branch& branch : trace.branches) {
    for (const Step& step : branch.steps) {
      pieces.emplace(step.token, step.piece);
      for (const Candidate& candidate : step.candidates) pieces.emplace(candidate.id, candidate.piece);
    }
  }
  return pieces;
}

/// DRY's breakers are tokens, which only a tokenizer makes of texts.
Result<void> check_breakers(const Trace& trace, const sampling::Settings& changed) {
  const sampling::Settings& recorded = trace.branches.front().options.settings;
  const bool known = recorded.dry_multiplier != 0 && recorded.dry_breakers == changed.dry_breakers;
  if (changed.dry_multiplier == 0 || changed.dry_breakers.empty() || known) return {};
  return Error{ErrorCode::kUsage, "setting dry_multiplier",
               "what breaks a repetition takes the model's tokenizer, and the trace has none recorded "
               "(`pellucid branch` runs the model)"};
}

/// A structure is followed by a guide, which takes the model's tokens: the recorded one is known by what it
/// allowed.
Result<void> check_structure(const sampling::Settings& recorded, const sampling::Settings& changed) {
  const auto structure = [](const sampling::Settings& one) {
    return std::tie(one.json_schema, one.regex, one.choice, one.grammar);
  };
  if (structure(recorded) == structure(changed)) return {};
  return Error{ErrorCode::kUsage, "another structure for the output",
               "what it allows takes the model's tokens (`pellucid branch` runs the model)"};
}

/// What was allowed at a step, where the settings ask for a structure.
Result<std::span<const uint32_t>> allowed_at(const PathStep& at, const sampling::Settings& settings) {
  if (!sampling::is_structured(settings)) return std::span<const uint32_t>();
  if (at.step->allowed && !at.step->allowed->set.empty()) {
    return std::span<const uint32_t>(at.step->allowed->set);
  }
  return Error{ErrorCode::kBadTrace, fmt::format("step {} of branch {}", at.step->index, at.branch->id),
               "the tokens that its structure allowed are not stored"};
}

/// Where a phrase began and ended takes the texts of all tokens: the recorded ones are known by what they
/// ruled out.
Result<void> check_bans(const sampling::Settings& recorded, const sampling::Settings& changed) {
  if (recorded.ban_phrases == changed.ban_phrases && recorded.ban_case == changed.ban_case) return {};
  return Error{ErrorCode::kUsage, "other banned phrases",
               "what they rule out takes the model's tokens (`pellucid branch` runs the model)"};
}

Result<generation::Chooser> chooser_of(const Trace& trace, const Branch& branch, const WhatIf& what,
                                       sampling::Settings& settings) {
  PELLUCID_TRY(settings, what.change(branch.options.settings));
  PELLUCID_CHECK(sampling::check_for(settings, static_cast<size_t>(trace.model.n_vocab)));
  PELLUCID_CHECK(check_breakers(trace, settings));
  PELLUCID_CHECK(check_structure(branch.options.settings, settings));
  PELLUCID_CHECK(check_bans(branch.options.settings, settings));
  return generation::Chooser::make(settings, what.seed.value_or(branch.options.seed), branch.options.stream,
                                   prompt_of(trace, branch.id).tokens.size(), trace.end_ids, trace.breakers);
}

Result<std::span<const float>> logits_of(const PathStep& at, const LogitsFile& logits) {
  const Step& step = *at.step;
  if (!step.logits) {
    return Error{ErrorCode::kBadTrace, fmt::format("step {} of branch {}", step.index, at.branch->id),
                 "its logits are not stored"};
  }
  return logits.row(*step.logits);
}

/// Empty where no guidance asks for them.
Result<std::span<const float>> unconditional_of(const PathStep& at, const sampling::Settings& settings,
                                                const LogitsFile& logits) {
  if (!sampling::is_guided(settings)) return std::span<const float>();
  const std::optional<Unconditional>& recorded = at.step->unconditional;
  if (recorded && recorded->logits) return logits.row(*recorded->logits);
  return Error{ErrorCode::kBadTrace, fmt::format("step {} of branch {}", at.step->index, at.branch->id),
               "the unconditional logits are not stored, and guidance takes them"};
}

}  // namespace

Result<std::vector<WhatIfStep>> what_if(const Trace& trace, int id, const LogitsFile& logits,
                                        const WhatIf& what) {
  PELLUCID_CHECK(find_branch(trace, id));
  const std::map<int32_t, std::string> pieces = pieces_in(trace);
  const auto piece_of = [&pieces](int32_t token) {
    const auto found = pieces.find(token);
    return found == pieces.end() ? std::string() : found->second;
  };
  const std::vector<PathStep> path = path_of(trace, id);
  const std::vector<int32_t> tokens = tokens_of(trace, id);
  const size_t n_prompt = prompt_of(trace, id).tokens.size();
  const Branch* branch = nullptr;
  sampling::Settings settings;
  std::optional<generation::Chooser> chooser;
  std::vector<WhatIfStep> steps;
  for (size_t i = 0; i < path.size(); ++i) {
    const Step& recorded = *path[i].step;
    if (path[i].branch != std::exchange(branch, path[i].branch)) {
      PELLUCID_TRY(generation::Chooser next, chooser_of(trace, *branch, what, settings));
      if (chooser) next.go_on_from(chooser->next_state());
      chooser = std::move(next);
    }
    PELLUCID_TRY(const std::span<const float> read, logits_of(path[i], logits));
    const std::vector<float> row(read.begin(), read.end());  // what is read next may take its place
    PELLUCID_TRY(const auto unconditional, unconditional_of(path[i], settings, logits));
    PELLUCID_TRY(const std::span<const uint32_t> allowed, allowed_at(path[i], settings));
    chooser->allow(allowed);
    chooser->ban(recorded.banned);
    chooser->go_on_at(recorded.state.redraws);
    chooser->watch(to_watch(recorded.candidates.size()));
    const auto before = std::span(tokens).first(n_prompt + i);
    PELLUCID_TRY(const int32_t drawn,
                 chooser->choose({row, unconditional}, before, recorded.index, recorded.token));
    const generation::StepView view{recorded.index,
                                    row,
                                    chooser->context(),
                                    chooser->state(),
                                    chooser->chain(),
                                    chooser->watched(),
                                    recorded.taken ? recorded.token : drawn,
                                    recorded.taken,
                                    recorded.taken_back,
                                    recorded.banned_phrase,
                                    {}};
    steps.push_back({&recorded, traced_step(view, recorded.candidates.size(), piece_of)});
  }
  return steps;
}

}  // namespace pellucid::trace
