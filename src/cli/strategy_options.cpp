#include "cli/strategy_options.h"

#include <fmt/format.h>

#include "cli/checks.h"

namespace pellucid::cli {
namespace {

constexpr uint64_t kMostTexts = 4096;  // a vector of results; 64 are written at a time
constexpr const char* kGroup = "Several texts";

}  // namespace

void add_strategy_options(CLI::App& command, StrategyOptions& options) {
  command
      .add_option("--samples,--num-return-sequences", options.samples,
                  "independent texts of one prompt; number i (from 0) has the seed + i")
      ->transform(whole_number(1, kMostTexts))
      ->type_name("N")
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--best-of", options.best_of,
                  "write this many samples and give the most likely: by log-probability per token")
      ->transform(whole_number(1, kMostTexts))
      ->type_name("N")
      ->group(kGroup);
}

bool several(const StrategyOptions& options) { return options.samples > 1 || options.best_of > 1; }

Result<void> check(const StrategyOptions& options, const Beside& beside) {
  if (options.best_of != 0 && options.best_of < options.samples) {
    return refused("--best-of", fmt::format("{} texts cannot give the best {} (--samples)", options.best_of,
                                            options.samples));
  }
  if (!several(options)) return {};
  if (beside.trace) return refused("--trace", "a trace is of one text: give a sample's seed to trace it");
  if (beside.speculate)
    return refused("--speculate", "several texts already share each pass, and are not drafted");
  if (beside.logprobs)
    return refused("--logprobs", "they are of one text: give a sample's seed to see its own");
  return {};
}

}  // namespace pellucid::cli
