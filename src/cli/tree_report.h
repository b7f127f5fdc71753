// A trace as a tree: its main text and the texts that branch off.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "cli/terminal.h"
#include "trace/trace.h"

namespace pellucid::cli {

/// The prompt, and below it every branch under its parent, in the order in which they leave it: what it does
/// another way, its length and end, and its own text with the branch points (◆) and near ties (≈) marked
/// before their tokens. No line is wider than the style says; each ends in '\n'.
std::string tree_text(const trace::Trace& trace, const ReportStyle& style);

/// `prompt`, `model`, `branches`: {`branch`, `parent` (null for the main one), `at`, `take`, `changes`
/// (settings that its parent has otherwise), `seed`, `n_steps` (its own), `finish_reason` (null where it was
/// stopped before), `text` (its own tokens'), `near_ties` (steps), `branch_points` (steps)}.
boost::json::object tree_json(const trace::Trace& trace);

}  // namespace pellucid::cli
