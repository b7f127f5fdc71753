// --negative-prompt: what guidance leads a text away from.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sampling/settings.h"
#include "tokenizer/tokenizer.h"

namespace pellucid::cli {

void add_negative_prompt_option(
    CLI::App& command, std::optional<std::string>& text,
    const std::string& what = "the prompt to lead away from (default: the prompt's last token)");

/// Errors: kUsage where one is given that no guidance takes.
Result<void> check_negative_prompt(const std::optional<std::string>& text,
                                   const sampling::Settings& settings);

/// Its tokens; none where none is given. Errors: those of check_negative_prompt(); kUsage where it has no
/// token.
Result<std::vector<int32_t>> negative_prompt_tokens(const std::optional<std::string>& text,
                                                    const sampling::Settings& settings,
                                                    const tokenizer::Tokenizer& tokenizer,
                                                    const tokenizer::EncodeOptions& encode = {});

}  // namespace pellucid::cli
