#include "generation/generate.h"

#include <algorithm>
#include <utility>

#include "base/stopwatch.h"
#include "generation/prefill.h"
#include "generation/prompt_lookup.h"

namespace pellucid::generation {
namespace {

/// Runs the newest token and drafts of the following ones in one pass, then steps as long as the drafts are
/// what is chosen: the same logits and draws as one by one. False where the text has ended.
Result<bool> advance(Engine& engine, Sequence& sequence, Continuation& text, PromptLookup& lookup) {
  const int left = std::min(engine.options().n_ctx - static_cast<int>(sequence.tokens.size()),
                            text.options().max_tokens - text.n_tokens());
  std::vector<int32_t> tokens{text.newest()};
  if (text.options().speculate) lookup.propose(sequence.tokens, left - 1, tokens);
  const size_t before = sequence.tokens.size();
  const Run run{sequence, tokens, Want::kAll};
  PELLUCID_TRY(const std::span<const float> logits, engine.run({&run, 1}));
  const auto n_vocab = static_cast<size_t>(engine.n_vocab());
  size_t n = 0;  // tokens of the pass that stay
  bool go_on = true;
  do {
    const auto row = logits.subspan(n++ * n_vocab, n_vocab);
    PELLUCID_TRY(go_on, text.step(row, std::span<const int32_t>(sequence.tokens).first(before + n)));
  } while (go_on && n < tokens.size() && text.newest() == tokens[n]);
  text.generation().timings.decode_tokens += static_cast<int>(n);
  lookup.learn(static_cast<int>(tokens.size()) - 1, static_cast<int>(n) - 1);
  sequence.truncate(static_cast<int>(before + n));
  return go_on;
}

}  // namespace

Result<Generation> generate(Engine& engine, Sequence& sequence, std::span<const int32_t> prompt,
                            const GenerateOptions& options, const StepObserver& observer) {
  const size_t before = sequence.tokens.size();
  PELLUCID_TRY(Continuation text, Continuation::start(engine, options, before + prompt.size(), observer));
  Timings& timings = text.generation().timings;
  const Stopwatch prefilling;
  PELLUCID_TRY(const std::vector<float> logits, prefill(engine, sequence, prompt, options));
  bool go_on = !logits.empty() && options.max_tokens > 0;
  if (logits.empty()) text.cancel();
  if (go_on) {
    PELLUCID_TRY(go_on, text.step(logits, sequence.tokens));
  }
  timings.prefill_ms = prefilling.milliseconds();
  timings.prefill_tokens = static_cast<int>(sequence.tokens.size() - before);

  const Stopwatch decoding;
  PromptLookup lookup;
  while (go_on) {
    PELLUCID_TRY(go_on, advance(engine, sequence, text, lookup));
  }
  timings.decode_ms = decoding.milliseconds();
  return std::move(text.generation());
}

}  // namespace pellucid::generation
