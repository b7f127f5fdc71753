// What other settings would have made of a text, as a table and as JSON.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/terminal.h"
#include "trace/trace.h"
#include "trace/what_if.h"

namespace pellucid::cli {

struct WhatIfReport {
  const trace::Trace& trace;
  int branch;
  const std::vector<trace::WhatIfStep>& steps;
  std::vector<int> rounded_away;  // steps whose recorded draw the stored logits, being rounded, don't give

  /// The first step that would have given another token.
  [[nodiscard]] std::optional<size_t> first_change() const;
};

/// A row a step: who was left and what was drawn, and what would have been. Then where the text would first
/// have changed. Lines end in '\n'.
std::string what_if_text(const WhatIfReport& report, const ReportStyle& style);

/// `branch`; `first_change` (a step or null); `steps`: a list of {`step`, `token`, `piece`, `kept`,
/// `what_if`: what a trace would record of the step}; `conditional_after`: steps after this one follow the
/// recorded text (as first_change); `logits_type`, and where that is float16 `rounded_away`: the steps whose
/// recorded draw does not come out of the rounded logits with the recorded settings either.
boost::json::object what_if_json(const WhatIfReport& report);

}  // namespace pellucid::cli
