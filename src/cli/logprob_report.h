// Log-probabilities of a prompt and of the texts after it: options, collection, and how they are printed.
#pragma once

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "generation/logprobs.h"

namespace pellucid::cli {

struct LogprobChoice {
  std::optional<generation::LogprobKind> kind;  // none: no log-probabilities
  size_t top = 0;
  bool prompt = false;

  [[nodiscard]] generation::LogprobOptions options() const {
    return {kind.value_or(generation::LogprobKind::kRaw), top};
  }
};

/// --logprobs, --top-logprobs, --prompt-logprobs.
void add_logprob_options(CLI::App& command, LogprobChoice& choice);

/// Of one text, step by step.
using TextLogprobs = std::vector<generation::PositionLogprobs>;

/// {"kind": .., "content": [{id, token, logprob, rank, top_logprobs}], "prompt": [null, {..}]}: the last one
/// where it was asked for. logprob and rank are null for a token that is ruled out.
boost::json::object logprobs_json(const LogprobChoice& choice, const generation::Engine& engine,
                                  const TextLogprobs& text, const generation::PromptLogprobs* prompt);

/// The same for reading, a line a token.
std::string logprobs_text(const LogprobChoice& choice, const generation::Engine& engine,
                          const TextLogprobs& text, const generation::PromptLogprobs* prompt);

}  // namespace pellucid::cli
