// How many texts are wanted of a prompt, and which of them.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "base/error.h"
#include "cli/options.h"
#include "generation/beams.h"

namespace pellucid::cli {

/// A beam search. What is not said has its default.
struct BeamChoice {
  int beams = 1;  // 1: none
  std::optional<double> length_penalty;
  std::optional<generation::EarlyStopping> early_stopping;
  bool sampling = false;
  std::optional<int> best;  // how many of its texts are shown

  [[nodiscard]] bool wanted() const { return beams > 1; }
  [[nodiscard]] generation::BeamOptions options() const;
};

/// --beams, --length-penalty, --early-stopping, --beam-sampling.
void add_beam_options(CLI::App& command, BeamChoice& choice);

struct StrategyOptions {
  int samples = 1;
  int best_of = 0;  // 0: of no more than samples
  BeamChoice beams;
};

/// --samples, --best-of, and those of beam search with --best.
void add_strategy_options(CLI::App& command, StrategyOptions& options);

/// True where several samples are written.
bool several(const StrategyOptions& options);

/// What else a command is asked for that may not go together with several texts.
struct Beside {
  bool trace = false;
  bool speculate = false;  // said so
  bool logprobs = false;
};

/// Refuses what makes no sense together. Errors: kUsage.
Result<void> check(const StrategyOptions& options, const Beside& beside);

/// Refuses options of a beam search without one, and settings of draws with one that draws
/// nothing. Errors: kUsage.
Result<void> check(const BeamChoice& choice, const SamplingOptions& sampling);

}  // namespace pellucid::cli
