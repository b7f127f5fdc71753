// What other settings or another seed would have kept and drawn at each step of a recorded text: from the
// stored logits, with no model.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/error.h"
#include "trace/logits_file.h"
#include "trace/trace.h"

namespace pellucid::trace {

struct WhatIf {
  std::function<Result<sampling::Settings>(const sampling::Settings&)> change;  // of the recorded settings
  std::optional<uint64_t> seed;                                                 // another one
};

/// A recorded step and what it would have been. From the first one with another token on, it is what would
/// have been drawn had the text come to be the recorded one nevertheless. Pieces are known of tokens that the
/// trace names; the others' are empty.
struct WhatIfStep {
  const Step* recorded = nullptr;
  Step made;
};

/// All steps of a branch's text, its ancestors' with their own settings, changed. Of logits that are stored
/// as float16 it is what those give, rounded as they are. State goes on as if the recorded tokens had been
/// drawn. Errors: kBadTrace (a step's logits are not there); kUsage (settings, also where DRY's breakers or
/// the structure of the output are others than those recorded, for they take the model's tokenizer; or they
/// rule out every token of a step).
Result<std::vector<WhatIfStep>> what_if(const Trace& trace, int branch, const LogitsFile& logits,
                                        const WhatIf& what);

}  // namespace pellucid::trace
