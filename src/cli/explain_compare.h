// `pellucid explain --compare`: one step by several dialects, and where they part.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/explain_report.h"
#include "sampling/dialects.h"

namespace pellucid::cli {

/// A dialect, with the settings that are to be compared: its own, or some of them changed.
struct DialectSettings {
  sampling::Dialect dialect;
  sampling::Settings settings;
};

/// What one dialect made of the step.
struct DialectStep {
  sampling::Dialect dialect;
  ExplainedStep step;
};

/// Where two dialects part: the last point of each at which both have the same tokens with the same
/// probabilities (within 1e-9), and what comes after.
struct Parting {
  size_t one = 0, other = 0;              // indices of the dialects
  size_t one_alike = 0, other_alike = 0;  // how many stages of each have run there
  size_t left = 0;                        // tokens there
  bool agree = false;                     // it is the end of both
  double distance = 0;     // half the sum of |p - q| at the end: the probability that lies elsewhere
  size_t one_alone = 0;    // tokens that the one keeps and the other doesn't
  size_t other_alone = 0;  // and the other way round
};

/// A token to show, and its raw logit.
struct ComparedToken {
  int32_t id;
  float logit;
};

struct ComparedStep {
  std::vector<DialectStep> dialects;
  std::vector<Parting> partings;      // the first dialect with each of the others
  std::vector<ComparedToken> tokens;  // the `top` best by raw logit, then those drawn
};

/// The dialects of "hf,llamacpp". Errors: kUsage (a name unknown or given twice, fewer than two).
Result<std::vector<sampling::Dialect>> parse_dialects(const std::string& names);

/// Runs every dialect on the same logits, context and draw. The caller fills in context, continued and label
/// of each step. Errors: as explain_step().
Result<ComparedStep> compare_step(std::span<const float> logits, std::span<const DialectSettings> dialects,
                                  const DrawAddress& address, size_t top,
                                  const sampling::Context& context = {}, const sampling::State& state = {});

/// The name of the index-th stage that ran; none where fewer did.
std::optional<std::string_view> stage_at(const ExplainedStep& step, size_t index);

/// Lines, each ending in '\n': a row for each token with the probability that each dialect gives it in the
/// end, or the stage that cut it, '>' at the token drawn; each dialect's stages and draw; the partings.
std::string compare_text(const ComparedStep& compared, const ReportStyle& style);

/// The same at full precision:
/// - `dialects`: {`name`, `engine`, `settings`, and the fields of explain_json()}.
/// - `partings`: {`dialects` (two names), `agree`, `alike_after` (of each the stage after which both are
/// alike
///   for the last time, null for the start), `left` (tokens there), `part_at` (of each the stage that comes
///   next, null for the draw), `distance`, `alone` (tokens that each keeps alone)}.
boost::json::object compare_json(const ComparedStep& compared);

}  // namespace pellucid::cli
