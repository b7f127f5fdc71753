#include "generation/samples.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "base/stopwatch.h"
#include "generation/logprobs.h"
#include "generation/prefill.h"
#include "generation/scheduler.h"

namespace pellucid::generation {
namespace {

/// Runs the prompts. False where it was cancelled.
Result<bool> begin(Engine& engine, Tracks& tracks, const GenerateOptions& options) {
  GenerateOptions own = options;
  for (Track& track : tracks) {
    PELLUCID_TRY(const std::vector<float> logits, prefill(engine, track.sequence, track.tokens, own));
    if (logits.empty()) return false;
    own.prompt_logits = {};  // of the text itself
  }
  return true;
}

/// Hands every sample to a scheduler and lets it run to the end of all. The first error counts.
Result<void> write_all(Engine& engine, const Tracks& tracks, const GenerateOptions& options,
                       const SampleObserver& observer, std::vector<Sample>& samples) {
  Scheduler scheduler(engine, {.prefix_cache_bytes = 0});
  std::vector<std::vector<double>> logprobs(samples.size());  // of each token
  std::optional<Error> error;
  for (size_t i = 0; i < samples.size(); ++i) {
    Sample& sample = samples[i];
    GenerateOptions own = options;
    own.seed = sample.seed;
    const auto observe = [&own = logprobs[i], &observer, i](const StepView& step) {
      own.resize(own.size() - static_cast<size_t>(step.taken_back));
      own.push_back(raw_logprob(step.logits, step.token));
      return !observer || observer(static_cast<int>(i), step);
    };
    const auto done = [&sample, &own = logprobs[i], &error](Result<Generation> result) {
      sample.logprob = std::accumulate(own.begin(), own.end(), 0.0);
      if (result.ok()) {
        sample.generation = std::move(result).value();
      } else if (!error) {
        error = result.error();
      }
    };
    scheduler.submit({{}, std::move(own), observe, done, &tracks});
  }
  while (!error && scheduler.step()) {
  }
  if (error) return *error;
  return {};
}

}  // namespace

double Sample::mean_logprob() const {
  const size_t n = generation.tokens.size();
  return n == 0 ? -std::numeric_limits<double>::infinity() : logprob / static_cast<double>(n);
}

Result<Samples> generate_samples(Engine& engine, std::span<const int32_t> prompt,
                                 const GenerateOptions& options, int count, const SampleObserver& observer) {
  Samples all;
  for (int i = 0; i < count; ++i) all.samples.push_back({.seed = seed_of_sample(options.seed, i)});
  const Stopwatch prefilling;
  PELLUCID_TRY(Tracks tracks, tracks_of(engine, prompt, options));
  PELLUCID_TRY(const bool begun, begin(engine, tracks, options));
  all.timings.prefill_ms = prefilling.milliseconds();
  all.timings.prefill_tokens = static_cast<int>(tracks.front().sequence.tokens.size());
  if (!begun) {
    for (Sample& sample : all.samples) sample.generation.finish_reason = FinishReason::kCancelled;
    return all;
  }
  for (Track& track : tracks) track.sequence.truncate(static_cast<int>(track.tokens.size()) - 1);
  const Stopwatch decoding;
  PELLUCID_CHECK(write_all(engine, tracks, options, observer, all.samples));
  all.timings.decode_ms = decoding.milliseconds();
  for (const Sample& sample : all.samples) {
    all.timings.decode_tokens += std::max(0, static_cast<int>(sample.generation.tokens.size()) - 1);
  }
  return all;
}

std::vector<size_t> best_first(std::span<const Sample> samples) {
  std::vector<size_t> order(samples.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(
      order, [samples](size_t a, size_t b) { return samples[a].mean_logprob() > samples[b].mean_logprob(); });
  return order;
}

}  // namespace pellucid::generation
