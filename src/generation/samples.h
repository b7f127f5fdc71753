// Independent texts after one prompt, which is run once: they share its keys and values, and are written
// together.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "generation/continuation.h"
#include "generation/engine.h"

namespace pellucid::generation {

/// The seed of sample `index` (0 is the first) of a run with `seed`: generate() with it makes the same text.
constexpr uint64_t seed_of_sample(uint64_t seed, int index) { return seed + static_cast<uint64_t>(index); }

struct Sample {
  uint64_t seed = 0;
  Generation generation;  // without timings: the samples share every pass
  double logprob = 0;     // the sum of the raw log-probabilities of its tokens
  /// A token's, on average; -inf where there is none.
  [[nodiscard]] double mean_logprob() const;
};

struct Samples {
  std::vector<Sample> samples;  // in order of their seeds
  Timings timings;
};

/// Told of each step of each sample. False ends that sample.
using SampleObserver = std::function<bool(int sample, const StepView& step)>;

/// `count` samples; options.speculate has no effect. Errors: as generate().
Result<Samples> generate_samples(Engine& engine, std::span<const int32_t> prompt,
                                 const GenerateOptions& options, int count,
                                 const SampleObserver& observer = {});

/// Indices of the samples from the most likely down, by log-probability per token as OpenAI's best_of has it;
/// of equal ones the lower index comes first.
std::vector<size_t> best_first(std::span<const Sample> samples);

}  // namespace pellucid::generation
