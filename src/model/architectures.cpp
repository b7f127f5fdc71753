#include "model/architectures.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"

namespace pellucid::model {
namespace {

constexpr std::array<Architecture, 5> kArchitectures{{
    {"llama", describe_llama},
    {"qwen2", describe_qwen2},
    {"qwen3", describe_qwen3},
    {"gemma3", describe_gemma3},
    {"gpt2", describe_gpt2},
}};

}  // namespace

std::span<const Architecture> architectures() { return kArchitectures; }

Result<ArchSpec> describe(const gguf::File& file) {
  PELLUCID_TRY(const std::string_view name, file.metadata().string("general.architecture"));
  std::string supported;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) return architecture.describe(Hyperparameters(file, name));
    supported += fmt::format("{}{}", supported.empty() ? "" : ", ", architecture.name);
  }
  return Error{ErrorCode::kUnsupported, "unsupported architecture",
               fmt::format("{} (supported: {})", in_quotes(name), supported)};
}

}  // namespace pellucid::model
