// The table of explain: a row for each candidate, a column for each stage.
#pragma once

#include <string>

#include "cli/explain_report.h"

namespace pellucid::cli {

/// Title, rows and the row of the others, each ending in '\n'. Where it would be wider than the report it
/// leaves out, in this order: bars and reasons, ids, a last stage that repeats the final probability, the
/// stages from the first on, logits. The lines below the table say what those columns said.
std::string explain_table(const ExplainedStep& step, const ReportStyle& style);

}  // namespace pellucid::cli
