// The records of a trace as JSON; docs/trace.schema.json says the same to programs.
#pragma once

#include <boost/json.hpp>

#include "generation/generate.h"
#include "trace/trace.h"

namespace pellucid::trace {

/// The first record. `trace` has its main branch, whose steps are left out.
boost::json::object header_record(const Trace& trace);

/// Where a branch begins.
boost::json::object branch_record(const Branch& branch);

boost::json::object step_record(int branch, const Step& step);

/// Where a branch ends.
boost::json::object end_record(int branch, const generation::Generation& done);

}  // namespace pellucid::trace
