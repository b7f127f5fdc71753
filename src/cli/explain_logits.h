// `pellucid explain --logits`: one step on logits that the user gives, with no model at all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/explain_report.h"
#include "sampling/settings.h"

namespace pellucid::cli {

/// The options as they were typed.
struct ExplainLogitsOptions {
  std::optional<std::string> logits;         // "10,8,5,2,1,0.5"; or
  std::optional<std::string> probabilities;  // ".4,.3,.2,.1": their logarithms are the logits
  std::optional<std::string> labels;         // "cat,dog,...": one for each token; "#0", "#1", ... without
  std::optional<std::string> draw;           // u, e.g. "0.75"; else the draw of (seed, 0, 0)
  std::string context;                       // text before the step
  sampling::Settings settings;
  uint64_t seed = 0;
  size_t top = 10;  // candidates in the table
};

/// Numbers separated by commas; "-inf" is one. Errors: kUsage with `name`, the entry and its place.
Result<std::vector<float>> parse_floats(const std::string& name, const std::string& text);

/// The same, checked.
struct GivenStep {
  std::vector<float> logits;
  std::vector<std::string> labels;  // one for each
  DrawAddress address;
};

/// Errors: kUsage (lists that don't parse or don't match, a probability outside [0, 1], both or neither list,
/// NaN, +inf, all -inf, a draw that is no number).
Result<GivenStep> given_step(const ExplainLogitsOptions& options);

/// Tells a step made from `given` its texts.
void tell_texts(const GivenStep& given, const std::string& context, ExplainedStep& step);

/// The step, ready for explain_text() or explain_json(). Errors: those of given_step(), and kUsage (a
/// draw outside [0, 1), settings).
Result<ExplainedStep> explain_logits(const ExplainLogitsOptions& options);

}  // namespace pellucid::cli
