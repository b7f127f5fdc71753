// What one text's settings have otherwise than another's.
#pragma once

#include <string>
#include <vector>

#include "sampling/settings.h"
#include "trace/trace.h"

namespace pellucid::cli {

/// "top_p=0.5" for each setting that `before` has otherwise, the order too.
std::vector<std::string> settings_changes(const sampling::Settings& now, const sampling::Settings& before);

/// Those of a branch against its parent's, its seed and its stream.
std::vector<std::string> branch_changes(const trace::Branch& branch, const trace::Branch& parent);

}  // namespace pellucid::cli
