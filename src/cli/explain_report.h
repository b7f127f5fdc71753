// One step of the generation, in plain sight: the candidates through the stages, and the draw. As text for a
// terminal and as JSON; pure functions of the step.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/terminal.h"
#include "sampling/draw.h"
#include "sampling/settings.h"
#include "sampling/watch.h"

namespace pellucid::cli {

/// What there is to tell. Token texts are bytes, perhaps half a character.
struct ExplainedStep {
  size_t step = 0;        // 0 is the first new token
  int taken_back = 0;     // how many of the steps before are void, for they made
  std::string phrase;     // this banned phrase
  std::string context;    // text before the step
  std::string continued;  // text with the token drawn
  sampling::Settings settings;
  sampling::WatchedChain chain;  // watches the token drawn, too
  sampling::Draw draw;
  std::optional<double> gap;                  // WatchedBest's
  std::function<std::string(int32_t)> label;  // the bytes of a token
};

/// By the rule of sampling::near_tie().
bool near_tie(const ExplainedStep& step);

/// Where the draw's number comes from: `u` itself where it is given, else (seed, stream, step).
struct DrawAddress {
  std::optional<double> u;
  uint64_t seed = 0;
  uint64_t stream = 0;
  uint64_t step = 0;
  uint64_t redraws = 0;  // where it is read from a number: as in the context
};

/// Runs chain and draw on a row of logits, watching the `top` best and the token drawn. The caller fills in
/// context, continued and label. Errors: as watch_chain() and draw_at().
Result<ExplainedStep> explain_step(std::span<const float> logits, const sampling::Settings& settings,
                                   const DrawAddress& address, size_t top, sampling::Context context = {},
                                   const sampling::State& state = {});

/// A token of the prompt: its id and its bytes.
struct PromptToken {
  int32_t id;
  std::string bytes;
};

/// The prompt's tokens with their ids, as many to a line as fit; each line ends in '\n'.
std::string prompt_text(std::span<const PromptToken> prompt, const ReportStyle& style,
                        std::string_view name = "prompt");

/// The same: a list of {`id`, `token`, `bytes`}, which are as in the candidates of explain_json().
boost::json::array prompt_json(std::span<const PromptToken> prompt);

/// Lines, each ending in '\n': the context; a row for each watched candidate with its logit, what each stage
/// made of it, and its final probability with a bar, or where and why it left; the others in one row; a line
/// for each stage; the draw. Numbers have four decimals, counts a comma at the thousands.
std::string explain_text(const ExplainedStep& step, const ReportStyle& style);

/// The same at full precision: every number reads back to the same bits, none is NaN or infinite.
/// - `step`; `context` and `text` (before and after the step; what isn't UTF-8 is U+FFFD); `vocabulary`;
///   `entropy_bits` before the first stage.
/// - `stages`: {`name`, `skipped`, `setting`, `entered`, `kept`, `removed`, `threshold` (null where skipped),
///   `mass_kept`, `entropy_bits`, `summary`}.
/// - `candidates`: {`id`, `token`, `bytes` (a list of numbers, null where `token` tells them), `logit` (null
///   for -infinity), `before` ({`rank`, `logit`, `probability`} or null), `after` (the same for each stage),
///   `removed_by` (a stage or null), `reason` (or null), `probability` (final)}.
/// - `others`: {`count`, `probability`, `after`: [{`count`, `probability`}]}.
/// - `draw`: {`u`, `token`, `id`, `rank`, `probability`, `low`, `high`, `margin`, `greedy`, `near_tie`,
///   `random`: null or {`seed`, `stream`, `step`, `key`, `counter`, `integer`}} and `redraws` where not 0; u
///   is integer / 2^53.
/// - `taken_back`, `banned_phrase`: where steps before are void.
/// - `gap`: between the two largest raw logits, null where there is one.
boost::json::object explain_json(const ExplainedStep& step);

}  // namespace pellucid::cli
