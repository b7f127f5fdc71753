// Finds the real models that scripts download, for the tests that use them where they are there.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace pellucid::test {

inline constexpr const char* kSmolLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf";
inline constexpr const char* kGemma3 = "gemma-3-270m-q4_k_m.gguf";

/// The path of a model in $PELLUCID_MODEL_DIR or the cache, or nothing.
inline std::optional<std::string> find_model(const char* file_name) {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
  };
  std::filesystem::path folder = variable("PELLUCID_MODEL_DIR");
  if (folder.empty()) {
    const std::string cache = variable("XDG_CACHE_HOME");
    folder = cache.empty() ? variable("HOME") + "/.cache" : cache;
    folder /= "pellucid/models";
  }
  std::error_code ignored;
  if (!std::filesystem::exists(folder / file_name, ignored)) return std::nullopt;
  return (folder / file_name).string();
}

}  // namespace pellucid::test
