// Beam search: several texts after one prompt, which is run once. At each step the likeliest of all their
// continuations go on; a beam that goes on in two ways is a Sequence copied once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "generation/beam_continuation.h"
#include "generation/beam_search.h"
#include "generation/continuation.h"
#include "generation/engine.h"

namespace pellucid::generation {

struct BeamOptions {
  int beams = 4;
  double length_penalty = 1;  // kLeastLengthPenalty to kMostLengthPenalty
  EarlyStopping early_stopping = EarlyStopping::kFalse;
  BeamChoosing choosing = BeamChoosing::kBest;

  static constexpr int kMostBeams = 64;
  static constexpr double kMostLengthPenalty = 10;
  static constexpr double kLeastLengthPenalty = -10;
};

struct BeamText {
  Generation generation;  // without timings: the beams share every pass
  double sum_logprob = 0;
  double score = 0;  // sum_logprob / number of tokens ^ length_penalty
};

struct BeamTexts {
  std::vector<BeamText> texts;  // best first; at least one
  Timings timings;
};

/// The texts that beam search finds, as transformers' generate() would; where candidates are drawn, by
/// (seed, stream, step). Of the options, speculate, watch and begun have no effect; of the settings, what
/// beam_settings() leaves counts. Errors: as generate(), and
/// kUsage (beam options out of range; guidance; banned phrases).
Result<BeamTexts> generate_beams(Engine& engine, std::span<const int32_t> prompt,
                                 const GenerateOptions& options, const BeamOptions& beams,
                                 const BeamObserver& observer = {});

}  // namespace pellucid::generation
