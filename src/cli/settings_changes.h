// What one text's settings have otherwise than another's.
#pragma once

#include <string>
#include <vector>

#include "generation/trace.h"
#include "sampling/settings.h"

namespace pellucid::cli {

/// "top_p=0.5" for each setting that `before` has otherwise, the order too.
std::vector<std::string> settings_changes(const sampling::Settings& now, const sampling::Settings& before);

/// Those of a branch against its parent's, its seed and its stream.
std::vector<std::string> branch_changes(const generation::TraceBranch& branch,
                                        const generation::TraceBranch& parent);

}  // namespace pellucid::cli
