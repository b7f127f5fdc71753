#include "cli/negative_prompt.h"

#include "cli/checks.h"
#include "sampling/registry.h"

namespace pellucid::cli {

void add_negative_prompt_option(CLI::App& command, std::optional<std::string>& text,
                                const std::string& what) {
  command.add_option("--negative-prompt", text, "with --guidance-scale: " + what)
      ->type_name("TEXT")
      ->group(std::string(sampling::group_title(sampling::StageGroup::kBasic)));
}

Result<void> check_negative_prompt(const std::optional<std::string>& text,
                                   const sampling::Settings& settings) {
  if (!text || sampling::is_guided(settings)) return {};
  return refused("--negative-prompt", "without --guidance-scale it changes nothing");
}

Result<std::vector<int32_t>> negative_prompt_tokens(const std::optional<std::string>& text,
                                                    const sampling::Settings& settings,
                                                    const tokenizer::Tokenizer& tokenizer,
                                                    const tokenizer::EncodeOptions& encode) {
  if (!text) return std::vector<int32_t>();
  PELLUCID_CHECK(check_negative_prompt(text, settings));
  PELLUCID_TRY(std::vector<int32_t> tokens, tokenizer.encode(*text, encode));
  if (tokens.empty()) return refused("--negative-prompt", "it has no token");
  return tokens;
}

}  // namespace pellucid::cli
