// The records of a trace as JSON; docs/trace.schema.json says the same to programs.
#pragma once

#include <boost/json.hpp>

#include "generation/generate.h"
#include "generation/trace.h"

namespace pellucid::generation {

/// The first record. `trace` has its main branch, whose steps are left out.
boost::json::object header_record(const Trace& trace);

/// Where a branch begins.
boost::json::object branch_record(const TraceBranch& branch);

boost::json::object step_record(int branch, const TraceStep& step);

/// Where a branch ends.
boost::json::object end_record(int branch, const Generation& done);

}  // namespace pellucid::generation
