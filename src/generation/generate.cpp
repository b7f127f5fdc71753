#include "generation/generate.h"

#include <algorithm>
#include <utility>

#include "base/stopwatch.h"
#include "generation/passes.h"
#include "generation/prompt_lookup.h"

namespace pellucid::generation {
namespace {

/// The newest token runs in the next pass.
void hold_all_but_newest(Passes& passes, const Continuation& text) {
  passes.hold(static_cast<size_t>(std::max(0, text.n_tokens() - 1)));
}

/// Runs the newest token and drafts of the following ones in one pass, then steps as long as the drafts are
/// what is chosen: the same logits and draws as one by one. Where the text goes back, its newest token runs
/// again. False where the text has ended.
Result<bool> advance(Passes& passes, Sequence& sequence, Continuation& text, PromptLookup& lookup) {
  const int left = std::min(passes.room(), text.options().max_tokens - text.n_tokens());
  const int begins = text.n_tokens();
  std::vector<int32_t> tokens{text.newest()};
  if (text.options().speculate) lookup.propose(sequence.tokens, left - 1, tokens);
  const size_t before = sequence.tokens.size();
  PELLUCID_CHECK(passes.run(tokens));
  size_t n = 0;  // tokens of the pass that stay
  bool go_on = true;
  do {
    const StepLogits logits = passes.logits(n++);
    PELLUCID_TRY(go_on, text.step(logits, std::span<const int32_t>(sequence.tokens).first(before + n)));
  } while (go_on && n < tokens.size() && text.n_tokens() == begins + static_cast<int>(n) &&
           text.newest() == tokens[n]);
  text.generation().timings.decode_tokens += static_cast<int>(n);
  lookup.learn(static_cast<int>(tokens.size()) - 1, static_cast<int>(n) - 1);
  hold_all_but_newest(passes, text);
  return go_on;
}

}  // namespace

Result<Generation> generate(Engine& engine, Sequence& sequence, std::span<const int32_t> prompt,
                            const GenerateOptions& options, const StepObserver& observer) {
  const size_t before = sequence.tokens.size();
  PELLUCID_TRY(Continuation text, Continuation::start(engine, options, before + prompt.size(), observer));
  Timings& timings = text.generation().timings;
  const Stopwatch prefilling;
  Passes passes(engine, sequence);
  PELLUCID_TRY(const bool begun, passes.begin(prompt, options));
  if (!begun) text.cancel();
  bool go_on = begun && options.max_tokens > 0;
  if (go_on) {
    PELLUCID_TRY(go_on, text.step(passes.first(), sequence.tokens));
  }
  timings.prefill_ms = prefilling.milliseconds();
  timings.prefill_tokens = static_cast<int>(sequence.tokens.size() - before);

  const Stopwatch decoding;
  PromptLookup lookup;
  if (go_on) hold_all_but_newest(passes, text);
  while (go_on) {
    if (text.n_tokens() == 0) {
      PELLUCID_TRY(go_on, text.step(passes.first(), sequence.tokens));
    } else {
      PELLUCID_TRY(go_on, advance(passes, sequence, text, lookup));
    }
  }
  timings.decode_ms = decoding.milliseconds();
  return std::move(text.generation());
}

}  // namespace pellucid::generation
