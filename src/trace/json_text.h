// JSON text read to the bit: Boost.JSON 1.81 reads one float64 in ten a unit in the last place off.
#pragma once

#include <boost/json.hpp>
#include <string_view>

#include "base/error.h"

namespace pellucid::trace {

/// One value, nested 32 deep at most. Whole numbers are int64 or, above its range, uint64; any other number
/// is the nearest double. Errors: kUsage, what is wrong and at which byte.
Result<boost::json::value> parse_json(std::string_view text);

}  // namespace pellucid::trace
