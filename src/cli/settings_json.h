// Sampling settings as JSON, made from the registry's rows so that no name is written twice.
#pragma once

#include <boost/json.hpp>

#include "sampling/settings.h"

namespace pellucid::cli {

/// {"temperature": ..., "top_k": ..., ..., "order": [...]}.
boost::json::object settings_json(const sampling::Settings& settings);

}  // namespace pellucid::cli
