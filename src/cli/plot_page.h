// A trace as one page of HTML that needs nothing else: src/cli/plot has its parts, which CMake puts together.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "trace/trace.h"

namespace pellucid::cli {

/// The page without a trace, whose place is marked by "{{trace}}".
std::string_view plot_template();

/// What the page shows: the header's record with `branches`, each its own record with `seed` as text,
/// `changes` (settings that its parent has otherwise), `settings_text`, `steps` (their records, without sets
/// of allowed tokens) and `end` ({`finish_reason`, `n_tokens`}, or null).
boost::json::object plot_data(const trace::Trace& trace);

/// The page. Nothing that a trace holds can end its element or become markup.
std::string plot_page(const trace::Trace& trace);

}  // namespace pellucid::cli
