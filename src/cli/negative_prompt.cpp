#include "cli/negative_prompt.h"

#include "cli/checks.h"
#include "sampling/registry.h"

namespace pellucid::cli {

void add_negative_prompt_option(CLI::App& command, std::optional<std::string>& text) {
  command
      .add_option("--negative-prompt", text,
                  "with --guidance-scale: the prompt to lead away from (default: the prompt's last token)")
      ->type_name("TEXT")
      ->group(std::string(sampling::group_title(sampling::StageGroup::kBasic)));
}

Result<std::vector<int32_t>> negative_prompt_tokens(const std::optional<std::string>& text,
                                                    const sampling::Settings& settings,
                                                    const tokenizer::Tokenizer& tokenizer,
                                                    const tokenizer::EncodeOptions& encode) {
  if (!text) return std::vector<int32_t>();
  if (!sampling::is_guided(settings)) {
    return refused("--negative-prompt", "without --guidance-scale it changes nothing");
  }
  PELLUCID_TRY(std::vector<int32_t> tokens, tokenizer.encode(*text, encode));
  if (tokens.empty()) return refused("--negative-prompt", "it has no token");
  return tokens;
}

}  // namespace pellucid::cli
