// What a trace says before its first step: which model, run how, on which prompt, with which settings.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "generation/engine.h"
#include "trace/trace.h"

namespace pellucid::trace {

/// xxh64() of a model file, or 0 where it was not opened by its path. Reads all of it, at the speed of memory
/// where it is cached.
uint64_t model_hash(const gguf::File& file);

/// A trace whose main branch has no steps. Errors: those of breaker_tokens().
Result<Trace> trace_header(const generation::Engine& engine, std::string path, uint64_t hash,
                           std::string_view prompt, std::span<const int32_t> prompt_tokens,
                           const generation::GenerateOptions& options, std::string dialect);

}  // namespace pellucid::trace
