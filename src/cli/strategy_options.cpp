#include "cli/strategy_options.h"

#include <fmt/format.h>

#include "cli/checks.h"
#include "sampling/registry.h"

namespace pellucid::cli {
namespace {

constexpr uint64_t kMostTexts = 4096;  // a vector of results; 64 are written at a time
constexpr const char* kGroup = "Several texts";
constexpr const char* kBeamGroup = "Beam search";

/// "--top-k"
std::string option_of(std::string_view setting) {
  std::string name = fmt::format("--{}", setting);
  for (char& c : name) c = c == '_' ? '-' : c;
  return name;
}

}  // namespace

generation::BeamOptions BeamChoice::options() const {
  generation::BeamOptions made{.beams = beams};
  made.length_penalty = length_penalty.value_or(made.length_penalty);
  made.early_stopping = early_stopping.value_or(made.early_stopping);
  if (sampling) made.choosing = generation::BeamChoosing::kDraw;
  return made;
}

void add_beam_options(CLI::App& command, BeamChoice& choice) {
  using generation::BeamOptions;
  using generation::EarlyStopping;
  command
      .add_option("--beams,--num-beams", choice.beams,
                  "search with this many texts at once for the likeliest; 1 is off")
      ->transform(whole_number(1, BeamOptions::kMostBeams))
      ->type_name("N")
      ->capture_default_str()
      ->group(kBeamGroup);
  command
      .add_option("--length-penalty", choice.length_penalty,
                  "a text's score is its log-probability / its length ^ this: above 0 for longer texts "
                  "(default: 1)")
      ->transform(number_in(BeamOptions::kLeastLengthPenalty, BeamOptions::kMostLengthPenalty))
      ->type_name("X")
      ->group(kBeamGroup);
  command
      .add_option("--early-stopping", choice.early_stopping,
                  "with as many finished texts as beams, end: false, when the best beam is no better than "
                  "them by now (default); true, at once; never, when it cannot become better")
      ->transform(one_of({{"false", static_cast<int>(EarlyStopping::kFalse)},
                          {"true", static_cast<int>(EarlyStopping::kTrue)},
                          {"never", static_cast<int>(EarlyStopping::kNever)}}))
      ->type_name("WHEN")
      ->group(kBeamGroup);
  command
      .add_flag("--beam-sampling", choice.sampling,
                "draw the candidates of a step, by their sums, in place of taking the best")
      ->group(kBeamGroup);
}

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
  add_beam_options(command, options.beams);
  command.add_option("--best", options.beams.best, "give the best N texts (default: 1)")
      ->transform(whole_number(1, generation::BeamOptions::kMostBeams))
      ->type_name("N")
      ->group(kBeamGroup);
}

bool several(const StrategyOptions& options) { return options.samples > 1 || options.best_of > 1; }

namespace {

Result<void> check_samples(const StrategyOptions& options, const Beside& beside) {
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

Result<void> check_beams(const StrategyOptions& options, const Beside& beside) {
  const BeamChoice& choice = options.beams;
  if (!choice.wanted()) return {};
  if (choice.best && *choice.best > choice.beams)
    return refused("--best", fmt::format("{} beams cannot give the best {}", choice.beams, *choice.best));
  if (options.samples != 1)
    return refused("--samples", "--best is how many texts of a beam search are shown");
  if (options.best_of != 0) return refused("--best-of", "a beam search already gives the best");
  if (beside.trace) return refused("--trace", "a trace is of one text, and a beam search goes on with many");
  if (beside.speculate) return refused("--speculate", "beams already share each pass, and are not drafted");
  if (beside.logprobs) return refused("--logprobs", "a beam search reports the score of each text");
  return {};
}

}  // namespace

Result<void> check(const StrategyOptions& options, const Beside& beside) {
  PELLUCID_CHECK(check_samples(options, beside));
  return check_beams(options, beside);
}

Result<void> check(const BeamChoice& choice, const SamplingOptions& sampling) {
  if (!choice.wanted()) {
    const char* const why = "it is of a beam search: --beams 2 or more";
    if (choice.length_penalty) return refused("--length-penalty", why);
    if (choice.early_stopping) return refused("--early-stopping", why);
    if (choice.best) return refused("--best", why);
    if (choice.sampling) return refused("--beam-sampling", why);
    return {};
  }
  if (choice.sampling) return {};
  for (const auto& [name, value] : sampling.given) {
    for (const sampling::StageRow& stage : sampling::stages()) {
      if (stage.remake == nullptr && generation::shapes_draws(stage.id) &&
          std::ranges::find(stage.settings, name, &sampling::SettingRow::name) != stage.settings.end())
        return refused(option_of(name), "a beam search takes the likeliest; --beam-sampling draws");
    }
  }
  return {};
}

}  // namespace pellucid::cli
