#include "generation/tracks.h"

#include <algorithm>
#include <cassert>

namespace pellucid::generation {

std::vector<int32_t> unconditional_prompt(const GenerateOptions& options, int32_t last_of_prompt) {
  return options.negative_prompt.empty() ? std::vector<int32_t>{last_of_prompt} : options.negative_prompt;
}

Result<Tracks> tracks_of(const Engine& engine, std::span<const int32_t> prompt,
                         const GenerateOptions& options) {
  Tracks tracks;
  const std::vector<int32_t>& begun = options.begun.tokens;
  assert(prompt.size() >= begun.size());
  const size_t n_before = prompt.size() - begun.size();
  tracks.push_back({n_before, {prompt.begin(), prompt.end()}, engine.new_sequence()});
  if (sampling::is_guided(options.settings) && n_before > 0) {
    std::vector<int32_t> tokens = unconditional_prompt(options, prompt[n_before - 1]);
    const size_t n_unconditional = tokens.size();
    tokens.insert(tokens.end(), begun.begin(), begun.end());
    tracks.push_back({n_unconditional, std::move(tokens), engine.new_sequence()});
  }
  for (const Track& track : tracks) PELLUCID_CHECK(engine.check(track.sequence, track.tokens));
  return tracks;
}

size_t add_runs(Tracks& tracks, size_t room, std::vector<Run>& runs) {
  size_t left = 0;
  for (const Track& track : tracks) left += track.left().size();
  const bool together = left <= room;
  size_t n = 0;
  for (Track& track : tracks) {
    std::span<const int32_t> tokens = track.left();
    if (!together) tokens = tokens.first(std::min(tokens.size() - 1, room - n));
    if (!tokens.empty()) runs.push_back({track.sequence, tokens, together ? Want::kLast : Want::kNone});
    n += tokens.size();
  }
  return n;
}

void follow(Tracks& tracks, const Continuation& text) {
  const auto n_new = static_cast<size_t>(text.n_tokens());
  for (Track& track : tracks) {
    track.tokens.resize(track.n_before + std::max<size_t>(n_new, 1) - 1);
    if (n_new > 0) track.tokens.push_back(text.newest());
    track.sequence.truncate(static_cast<int>(track.tokens.size() - 1));
  }
}

}  // namespace pellucid::generation
