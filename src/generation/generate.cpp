#include "generation/generate.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "generation/prompt_lookup.h"

namespace pellucid::generation {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

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
  const size_t all = sequence.tokens.size() + prompt.size();
  PELLUCID_TRY(Continuation text, Continuation::start(engine, options, all, observer));
  bool go_on = false;
  const LogitsSink first_step = [&](int first, std::span<const float> logits, int n_rows) -> Result<void> {
    if (options.prompt_logits) PELLUCID_CHECK(options.prompt_logits(first, logits, n_rows));
    if (sequence.tokens.size() < all || text.n_tokens() >= options.max_tokens) return {};
    PELLUCID_TRY(go_on, text.step(logits.last(static_cast<size_t>(engine.n_vocab())), sequence.tokens));
    return {};
  };
  Timings& timings = text.generation().timings;
  auto start = Clock::now();
  const size_t before = sequence.tokens.size();
  const Want want = options.prompt_logits ? Want::kAll : Want::kLast;
  PELLUCID_CHECK(engine.extend(sequence, prompt, want, first_step, {}, options.cancelled));
  timings.prefill_ms = milliseconds_since(start);
  timings.prefill_tokens = static_cast<int>(sequence.tokens.size() - before);
  if (sequence.tokens.size() - before < prompt.size()) text.cancel();

  start = Clock::now();
  PromptLookup lookup;
  while (go_on) {
    PELLUCID_TRY(go_on, advance(engine, sequence, text, lookup));
  }
  timings.decode_ms = milliseconds_since(start);
  return std::move(text.generation());
}

}  // namespace pellucid::generation
