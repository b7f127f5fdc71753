// A random step with a past, for tests of stages that look at it.
#pragma once

#include <initializer_list>

#include "sampling/context.h"
#include "sampling/oracle.h"

namespace pellucid::sampling {

/// Logits, a text before them, and the state that earlier steps may have left.
struct Step {
  std::vector<float> logits;
  std::vector<int32_t> text;
  std::vector<int32_t> ends;
  std::vector<TokenIds> breakers;
  State state;
  Context context;

  Step(RandomSteps& random, size_t most) : logits(random.logits(most)) {
    const size_t alphabet = 1 + random.below(std::min<size_t>(logits.size(), 1 + random.below(12)));
    for (size_t n = random.below(60); n > 0; --n)
      text.push_back(static_cast<int32_t>(random.below(alphabet)));
    ends = {static_cast<int32_t>(random.below(logits.size()))};
    if (random.below(2) == 0) breakers = {{static_cast<int32_t>(random.below(alphabet))}};
    if (random.below(2) == 0) state.mirostat_mu = static_cast<double>(random.below(100)) / 10;
    if (random.below(2) == 0) {
      state.adaptive_sum = static_cast<double>(random.below(100)) / 20;
      state.adaptive_weight = 1 + static_cast<double>(random.below(90)) / 10;
    }
    context.tokens = text;
    context.prompt_length = random.below(text.size() + 1);
    context.end_ids = ends;
    context.breakers = breakers;
    context.seed = random.below(1000);
    context.step = random.below(1000);
  }

  [[nodiscard]] std::vector<int32_t> output() const {
    return {text.begin() + static_cast<ptrdiff_t>(context.prompt_length), text.end()};
  }
};

inline double pick(RandomSteps& random, std::initializer_list<double> values) {
  return values.begin()[random.below(values.size())];
}

}  // namespace pellucid::sampling
