// The table of model families: a name in `general.architecture` and the function that describes it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "gguf/reader.h"
#include "model/hyperparameters.h"
#include "model/spec.h"

namespace pellucid::model {

struct Architecture {
  std::string_view name;
  Result<ArchSpec> (*describe)(const Hyperparameters&);
};

std::span<const Architecture> architectures();

/// The description of the file's model. Errors: kUnsupported (named, with those supported), kBadModel.
Result<ArchSpec> describe(const gguf::File& file);

// One function a family, in architectures/.
Result<ArchSpec> describe_llama(const Hyperparameters& h);
Result<ArchSpec> describe_qwen2(const Hyperparameters& h);
Result<ArchSpec> describe_qwen3(const Hyperparameters& h);
Result<ArchSpec> describe_gemma3(const Hyperparameters& h);
Result<ArchSpec> describe_gpt2(const Hyperparameters& h);

}  // namespace pellucid::model
