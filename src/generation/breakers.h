// Texts that break repetitions, as the tokens that hold them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sampling/settings.h"
#include "tokenizer/tokenizer.h"

namespace pellucid::generation {

/// Every way that each text can appear in a row of tokens: one token that contains it; or one that ends in
/// its beginning, followed by the tokens of the rest. For sampling::Context: ordered by last token.
Result<std::vector<sampling::TokenIds>> breaker_tokens(const tokenizer::Tokenizer& tokenizer,
                                                       std::span<const std::string> texts);

}  // namespace pellucid::generation
