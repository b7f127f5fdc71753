// The sequences of one text that shares its passes with others: its own; and with guidance the unconditional
// one. All of them run the token that was written last in the same pass.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "generation/continuation.h"
#include "generation/engine.h"

namespace pellucid::generation {

/// One sequence, and what has to run on it.
struct Track {
  size_t n_before = 0;          // tokens before the new ones
  std::vector<int32_t> tokens;  // all: those that have run are the first ones
  Sequence sequence;

  [[nodiscard]] std::span<const int32_t> left() const {
    return std::span<const int32_t>(tokens).subspan(sequence.tokens.size());
  }
};
using Tracks = std::vector<Track>;

/// What the unconditional text of guidance begins with: the negative prompt, or the last token of the prompt
/// where there is none.
std::vector<int32_t> unconditional_prompt(const GenerateOptions& options, int32_t last_of_prompt);

/// Of a text after `prompt`, whose last tokens are those begun; nothing has run. Errors: as Engine::check(),
/// of each.
Result<Tracks> tracks_of(const Engine& engine, std::span<const int32_t> prompt,
                         const GenerateOptions& options);

inline bool all_run(const Tracks& tracks) {
  return std::ranges::all_of(tracks, [](const Track& track) { return track.left().empty(); });
}

/// Adds to `runs` what is next, at most `room` tokens, and returns how many they are. The last tokens of all
/// tracks run together, or none of them yet. They are the only ones whose logits are wanted.
size_t add_runs(Tracks& tracks, size_t room, std::vector<Run>& runs);

/// Goes on with what the text has written, all of which but the newest has run, or has gone back.
void follow(Tracks& tracks, const Continuation& text);

}  // namespace pellucid::generation
