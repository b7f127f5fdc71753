// What may be set, from the registry's rows: as documentation and as data for programs.
#pragma once

#include <boost/json.hpp>
#include <string>

namespace pellucid::cli {

/// docs/settings.md: a table for each group of stages, the default order, the dialects.
std::string settings_markdown();

/// `stages`: in the default order, {`name`, `group`, `settings`: [{`name`, `aliases`, `default`, `values`
/// (the range in words), `choices` (or null), `help`}]}; `dialects`: [{`name`, `engine`, `settings`}], the
/// last as JSON.
boost::json::object settings_schema();

}  // namespace pellucid::cli
