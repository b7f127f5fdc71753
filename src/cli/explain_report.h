// One step of the generation, in plain sight: the candidates through the stages, and the draw. As text for a
// terminal and as JSON; pure functions of the step.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sampling/draw.h"
#include "sampling/settings.h"
#include "sampling/watch.h"

namespace pellucid::cli {

/// What there is to tell. Token texts are bytes, perhaps half a character.
struct ExplainedStep {
  size_t step = 0;        // 0 is the first new token
  std::string context;    // text before the step
  std::string continued;  // text with the token drawn
  sampling::Settings settings;
  sampling::WatchedChain chain;  // watches the token drawn, too
  sampling::Draw draw;
  std::function<std::string(int32_t)> label;  // the bytes of a token
};

/// Runs chain and draw on a row of logits, watching the `top` best and the token drawn. With `u` that is the
/// draw's number; without, the draw is (seed, stream, step). Errors: as watch_chain() and draw_at(). The
/// caller fills in continued, context and label.
struct DrawAddress {
  std::optional<double> u;
  uint64_t seed = 0;
  uint64_t stream = 0;
  uint64_t step = 0;
};
Result<ExplainedStep> explain_step(std::span<const float> logits, const sampling::Settings& settings,
                                   const DrawAddress& address, size_t top);

struct ReportStyle {
  size_t width = 80;    // columns, at least 40
  bool colour = false;  // ECMA-48 colours
};

/// Lines, each ending in '\n': the context; a row for each watched candidate with its logit, what each stage
/// made of it, and its final probability with a bar, or where and why it left; the others in one row; a line
/// for each stage; the draw. Numbers have four decimals.
std::string explain_text(const ExplainedStep& step, const ReportStyle& style);

/// The same at full precision (every number reads back to the same bits):
/// - `step`; `context` and `text` (before and after the step; what isn't UTF-8 is U+FFFD); `vocabulary`;
///   `entropy_bits` before the first stage;
/// - `stages`: {`name`, `skipped`, `setting`, `entered`, `kept`, `removed`, `threshold`, `mass_kept`,
/// `entropy_bits`,
///   `summary`}; threshold is null where the stage was skipped;
/// - `candidates`: {`id`, `token`, `bytes` (null where token tells them), `logit` (null for -infinity),
/// `before`
///   ({`rank`, `logit`, `probability`} or null), `after` (the same for each stage), `removed_by` (a stage or
///   null), `reason` (or null), `probability` (final)};
/// - `others`: {`count`, `probability`, `after`: [{`count`, `probability`}]};
/// - `draw`: {`u`, `token`, `id`, `rank`, `probability`, `low`, `high`, `margin`, `random`: null or {`key`,
/// `counter`,
///   `integer`}};
/// - `gap`: {`logit`, `probability`} between the two best that are left, null where one is.
boost::json::object explain_json(const ExplainedStep& step);

}  // namespace pellucid::cli
