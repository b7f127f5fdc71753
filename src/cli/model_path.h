// Where a model is: a path, or the name of a file in the cache.
#pragma once

#include <string>

#include "base/error.h"

namespace pellucid::cli {

/// `$XDG_CACHE_HOME/pellucid/models`, or the same under `~/.cache`.
std::string model_cache();

/// The path of `model`: itself where it is a path (it exists, or holds a '/'); a file of the cache by name,
/// with or without
/// `.gguf`; the default model where it is empty. Errors: kNotFound, saying where it was looked for.
Result<std::string> resolve_model(const std::string& model);

}  // namespace pellucid::cli
