// How many texts are wanted of a prompt, and which of them.
#pragma once

#include <CLI/CLI.hpp>

#include "base/error.h"

namespace pellucid::cli {

struct StrategyOptions {
  int samples = 1;
  int best_of = 0;  // 0: of no more than samples
};

/// --samples, --best-of.
void add_strategy_options(CLI::App& command, StrategyOptions& options);

/// True where more than one text is written.
bool several(const StrategyOptions& options);

/// What else was asked for.
struct Beside {
  bool trace = false;
  bool speculate = false;
  bool logprobs = false;
};

/// Refuses what makes no sense together. Errors: kUsage.
Result<void> check(const StrategyOptions& options, const Beside& beside);

}  // namespace pellucid::cli
