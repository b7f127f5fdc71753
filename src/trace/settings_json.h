// Sampling settings as JSON, made from the registry's rows so that no name is written twice.
#pragma once

#include <boost/json.hpp>

#include "base/error.h"
#include "sampling/settings.h"

namespace pellucid::trace {

/// {"temperature": ..., "top_k": ..., ..., "order": [...]}. Numbers are numbers, choices their names; token
/// ids [1, 2]; sequences [[1, 2], [3]]; biases {"15": -1.5, "4+5": null}, null for -infinity; texts ["\n"].
boost::json::object settings_json(const sampling::Settings& settings);

/// `settings` with what `object` says, in the same forms; a list may also be a string in the form of the
/// command line, and a number's string counts; a JSON schema may also be an object or true. Errors: kUsage
/// with the setting's name, value and range.
Result<sampling::Settings> settings_from_json(const boost::json::object& object, sampling::Settings settings);

}  // namespace pellucid::trace
