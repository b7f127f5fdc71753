#include "generation/beams.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/stopwatch.h"
#include "generation/guides.h"
#include "generation/prefill.h"

namespace pellucid::generation {
namespace {

Error out_of_range(std::string_view name, double value, double low, double high) {
  return {ErrorCode::kUsage, fmt::format("invalid {}", name),
          fmt::format("{} is not in {} .. {}", value, low, high)};
}

Result<void> check(const BeamOptions& beams, const sampling::Settings& settings) {
  if (beams.beams < 1 || beams.beams > BeamOptions::kMostBeams)
    return out_of_range("beams", beams.beams, 1, BeamOptions::kMostBeams);
  const double low = BeamOptions::kLeastLengthPenalty;
  const double high = BeamOptions::kMostLengthPenalty;
  if (!(beams.length_penalty >= low && beams.length_penalty <= high))
    return out_of_range("length penalty", beams.length_penalty, low, high);
  if (beams.choosing == BeamChoosing::kDraw && settings.temperature == 0)
    return Error{ErrorCode::kUsage, "setting temperature", "at 0 there is nothing to draw for beams"};
  if (sampling::is_guided(settings))
    return Error{ErrorCode::kUsage, "setting guidance_scale", "beams have no unconditional text"};
  if (sampling::bans_phrases(settings))
    return Error{ErrorCode::kUsage, "setting ban_phrases", "beams do not go back"};
  return {};
}

Result<BeamStart> start_of(const Engine& engine, std::span<const int32_t> prompt,
                           const GenerateOptions& options, BeamChoosing choosing) {
  if (std::ranges::any_of(options.stop, &std::string::empty))
    return Error{ErrorCode::kUsage, "invalid stop string", "it is empty, and every text holds the empty one"};
  const sampling::Settings settings = beam_settings(options.settings, choosing);
  PELLUCID_TRY(Chooser chooser,
               Chooser::make(engine.tokenizer(), settings, options.seed, options.stream, prompt.size()));
  PELLUCID_TRY(std::optional<bridge::Guide> guide, guide_of(engine, settings));
  if (guide) chooser.follow(std::move(*guide), options.stop_at_end_of_turn);
  chooser.share(engine.threads());
  BeamStart start{{prompt.begin(), prompt.end()},
                  std::move(chooser),
                  {},
                  TextTail(options.stop),
                  !options.stop.empty(),
                  [&engine](int32_t token) { return engine.tokenizer().piece(token); }};
  if (options.stop_at_end_of_turn) start.stop_ids = engine.tokenizer().stop_ids();
  start.choosing = choosing;
  return start;
}

/// One pass a step over all beams.
Result<void> search(Engine& engine, Sequence prompt, std::span<const float> first, BeamContinuation& beams,
                    const GenerateOptions& options, Timings& timings) {
  PELLUCID_TRY(bool go_on, beams.step(first));
  std::vector<Sequence> sequences;
  sequences.push_back(std::move(prompt));
  while (go_on) {
    if (options.cancelled && options.cancelled()) {
      beams.cancel();
      break;
    }
    sequences = inherit(std::move(sequences), beams.parents());
    std::vector<Run> runs;
    for (size_t i = 0; i < sequences.size(); ++i)
      runs.push_back({sequences[i], std::span(beams.search().running()[i].tokens).last(1)});
    PELLUCID_TRY(const std::span<const float> logits, engine.run(runs));
    timings.decode_tokens += static_cast<int>(runs.size());
    PELLUCID_TRY(go_on, beams.step(logits));
  }
  return {};
}

FinishReason reason_of(BeamEnd end) {
  switch (end) {
    case BeamEnd::kToken:
      return FinishReason::kStop;
    case BeamEnd::kLength:
      return FinishReason::kLength;
    default:
      return FinishReason::kCancelled;
  }
}

/// Without stop token and stop string.
std::string text_of(const Engine& engine, const GenerateOptions& options,
                    const std::vector<int32_t>& tokens) {
  std::vector<int32_t> stop_ids;
  if (options.stop_at_end_of_turn) stop_ids = engine.tokenizer().stop_ids();
  TextTail tail(options.stop);
  std::string text;
  for (const int32_t token : tokens) {
    if (std::ranges::find(stop_ids, token) != stop_ids.end()) break;
    text += tail.push(engine.tokenizer().piece(token));
  }
  return text + tail.finish();
}

}  // namespace

Result<BeamTexts> generate_beams(Engine& engine, std::span<const int32_t> prompt,
                                 const GenerateOptions& options, const BeamOptions& beams,
                                 const BeamObserver& observer) {
  PELLUCID_CHECK(check(beams, options.settings));
  PELLUCID_TRY(BeamStart begin, start_of(engine, prompt, options, beams.choosing));
  const int room = engine.options().n_ctx - static_cast<int>(prompt.size()) + 1;
  BeamContinuation continuation({.beams = beams.beams,
                                 .length_penalty = beams.length_penalty,
                                 .early_stopping = beams.early_stopping,
                                 .max_length = std::min(options.max_tokens, room)},
                                std::move(begin), observer);
  BeamTexts all;
  Sequence sequence = engine.new_sequence();
  const Stopwatch prefilling;
  PELLUCID_TRY(const std::vector<float> first, prefill(engine, sequence, prompt, options));
  all.timings.prefill_ms = prefilling.milliseconds();
  all.timings.prefill_tokens = static_cast<int>(sequence.tokens.size());
  const Stopwatch decoding;
  if (first.empty()) {
    continuation.cancel();
  } else if (!continuation.search().done()) {
    PELLUCID_CHECK(search(engine, std::move(sequence), first, continuation, options, all.timings));
  }
  all.timings.decode_ms = decoding.milliseconds();
  for (const FinishedBeam& one : continuation.search().finished()) {
    Generation generation{one.beam.tokens, text_of(engine, options, one.beam.tokens), reason_of(one.end), {}};
    all.texts.push_back({std::move(generation), one.beam.sum, one.score});
  }
  return all;
}

}  // namespace pellucid::generation
