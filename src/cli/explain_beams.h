// A step of a beam search in plain sight: the beams, what could follow them, and what became of it. As text
// for a terminal and as JSON; pure functions of the step.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "cli/terminal.h"
#include "generation/beam_continuation.h"

namespace pellucid::cli {

/// The bytes of a token.
using TokenLabel = std::function<std::string(int32_t)>;

/// Lines, each ending in '\n': the beams with their sums; a row for each candidate with the beam that it
/// follows, its log-probability as the stages left it, the sum, and its fate; the finished texts; whether the
/// search goes on.
std::string beam_step_text(const generation::BeamStepView& step, const TokenLabel& label,
                           const ReportStyle& style);

/// The same at full precision.
/// - `step`; `beams`: {`sum_logprob`, `tokens`, `text`}; `done`.
/// - `candidates`: {`parent` (index of `beams`), `id`, `token`, `logprob`, `sum_logprob`, `u` (what drew it;
///   or null), `ends`, `fate` (goes_on, finishes, outscored, too_low, crowded), `becomes` (its place among
///   the beams of the next step, or null), `score` (where the text ends with it, or null), `reason`}.
/// - `finished`: {`score`, `sum_logprob`, `tokens`, `text`}, best first.
boost::json::object beam_step_json(const generation::BeamStepView& step, const TokenLabel& label);

}  // namespace pellucid::cli
