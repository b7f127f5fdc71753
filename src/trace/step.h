// One step of a text as a trace records it. Making it again from the same logits gives the same record: that
// is what replay compares, and what-if shows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "generation/continuation.h"
#include "sampling/settings.h"
#include "trace/trace.h"

namespace pellucid::trace {

/// The bytes of a token.
using PieceOf = std::function<std::string(int32_t)>;

/// A special token's is its name.
std::string shown_piece(const tokenizer::Tokenizer& tokenizer, int32_t id);

/// Of a step that was watched (GenerateOptions::watch), two of its best at least; `top` of them are
/// candidates. logits_row and ms are left to the caller.
Step traced_step(const generation::StepView& view, size_t top, const PieceOf& piece_of);

/// What to watch so that a step may be recorded with so many candidates: the gap takes two.
inline size_t to_watch(size_t top) { return std::max<size_t>(top, 2); }

/// Where two records of a step differ, from the logits on: "the stage top_p kept 11 of 50, recorded are 12";
/// none where they agree. The clock, the place of the logits, and how many candidates are recorded don't
/// count.
std::optional<std::string> difference(const Step& made, const Step& recorded);

}  // namespace pellucid::trace
