// The lines that explain and its comparison of dialects share.
#pragma once

#include <string>
#include <string_view>

#include "cli/explain_report.h"
#include "cli/folded_line.h"

namespace pellucid::cli {

/// The step's number and the text before it; and an empty line.
std::string step_title(const ExplainedStep& step, const ReportStyle& style);

/// A line below the table, to be filled.
FoldedLine report_line(std::string_view name, const ReportStyle& style);

/// A line for each stage that is reported.
std::string stage_lines(const ExplainedStep& step, const ReportStyle& style);

/// The number drawn, the interval that it hit, and the token.
std::string draw_line(const ExplainedStep& step, const ReportStyle& style);

}  // namespace pellucid::cli
