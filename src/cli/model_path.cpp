#include "cli/model_path.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/text.h"

namespace pellucid::cli {
namespace {

constexpr const char* kDefaultModel = "SmolLM2-135M-Instruct.Q4_1.gguf";

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

std::string model_cache() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache != '\0') return fmt::format("{}/pellucid/models", cache);
  const char* home = std::getenv("HOME");
  return fmt::format("{}/.cache/pellucid/models", home != nullptr ? home : "");
}

Result<std::string> resolve_model(const std::string& model) {
  const std::string name = model.empty() ? kDefaultModel : model;
  if (!model.empty() && (exists(model) || model.find('/') != std::string::npos)) return model;
  const std::string cached = fmt::format("{}/{}", model_cache(), name);
  for (const std::string& path : {cached, cached + ".gguf"}) {
    if (exists(path)) return path;
  }
  return Error{ErrorCode::kNotFound, fmt::format("no model {}", in_quotes(name, kWhole)),
               fmt::format("it is neither a file nor in {} (`make models` fetches it)",
                           in_quotes(model_cache(), kWhole))};
}

}  // namespace pellucid::cli
