#include "generation/prefill.h"

namespace pellucid::generation {

Result<std::vector<float>> prefill(Engine& engine, Sequence& sequence, std::span<const int32_t> prompt,
                                   const GenerateOptions& options) {
  const size_t all = sequence.tokens.size() + prompt.size();
  std::vector<float> newest;
  const auto keep = [&](int first, std::span<const float> logits, int n_rows) -> Result<void> {
    if (options.prompt_logits) PELLUCID_CHECK(options.prompt_logits(first, logits, n_rows));
    if (sequence.tokens.size() < all) return {};
    const auto last = logits.last(static_cast<size_t>(engine.n_vocab()));
    newest.assign(last.begin(), last.end());
    return {};
  };
  PELLUCID_CHECK(engine.extend(sequence, prompt, options.prompt_logits ? Want::kAll : Want::kLast, keep, {},
                               options.cancelled));
  return newest;
}

}  // namespace pellucid::generation
