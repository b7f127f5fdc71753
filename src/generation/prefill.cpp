#include "generation/prefill.h"

namespace pellucid::generation {

Result<Prefilled> prefill(Engine& engine, std::span<const int32_t> prompt, const GenerateOptions& options) {
  Prefilled prefilled{engine.new_sequence(), {}};
  const auto keep = [&](int first, std::span<const float> logits, int n_rows) -> Result<void> {
    if (options.prompt_logits) PELLUCID_CHECK(options.prompt_logits(first, logits, n_rows));
    if (prefilled.sequence.tokens.size() < prompt.size()) return {};
    const auto last = logits.last(static_cast<size_t>(engine.n_vocab()));
    prefilled.logits.assign(last.begin(), last.end());
    return {};
  };
  PELLUCID_CHECK(engine.extend(prefilled.sequence, prompt, options.prompt_logits ? Want::kAll : Want::kLast,
                               keep, {}, options.cancelled));
  return prefilled;
}

}  // namespace pellucid::generation
