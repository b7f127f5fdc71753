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

void add_negative_prompt_option(CLI::App& command, std::optional<std::string>& text);

/// Its tokens; none where none is given. Errors: kUsage where no guidance takes it, or it has no token.
Result<std::vector<int32_t>> negative_prompt_tokens(const std::optional<std::string>& text,
                                                    const sampling::Settings& settings,
                                                    const tokenizer::Tokenizer& tokenizer,
                                                    const tokenizer::EncodeOptions& encode = {});

}  // namespace pellucid::cli
