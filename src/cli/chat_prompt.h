// The chat template of a loaded model.
#pragma once

#include "bridge/chat_template.h"
#include "generation/engine.h"

namespace pellucid::cli {

/// Compiles the file's own template. Errors: kUnsupported where the file has none, or one that does not
/// compile.
Result<bridge::ChatTemplate> chat_template_of(const generation::Engine& engine);

}  // namespace pellucid::cli
