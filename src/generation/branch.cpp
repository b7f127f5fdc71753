#include "generation/branch.h"

#include <algorithm>
#include <vector>

namespace pellucid::generation {

std::span<const int32_t> keep_common(Sequence& sequence, std::span<const int32_t> tokens) {
  const std::vector<int32_t>& old = sequence.tokens;
  const size_t most = std::min(old.size(), tokens.empty() ? 0 : tokens.size() - 1);
  const auto parted = std::mismatch(old.begin(), old.begin() + static_cast<ptrdiff_t>(most), tokens.begin());
  const auto n = static_cast<size_t>(parted.first - old.begin());
  sequence.truncate(static_cast<int>(n));
  return tokens.subspan(n);
}

Result<Generation> branch_off(Engine& engine, Sequence& sequence, std::span<const int32_t> prompt,
                              const GenerateOptions& options, const StepObserver& observer) {
  std::vector<int32_t> tokens(prompt.begin(), prompt.end());
  tokens.insert(tokens.end(), options.begun.tokens.begin(), options.begun.tokens.end());
  return generate(engine, sequence, keep_common(sequence, tokens), options, observer);
}

}  // namespace pellucid::generation
