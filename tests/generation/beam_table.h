// The model of the golden beams: a table whose logits depend on the last two tokens, as
// scripts/golden_beams.py makes it; and a beam search over it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generation/beam_continuation.h"
#include "sampling/golden_case.h"

namespace pellucid::generation::test {

struct BeamTable {
  uint64_t seed = 0;
  size_t vocab = 0;
  double scale = 1;
  std::vector<int32_t> end_ids;
  double end_bias = 0;

  /// The logits after a text of one token at least.
  [[nodiscard]] std::vector<float> after(std::span<const int32_t> text) const {
    const uint64_t before = text.size() > 1 ? static_cast<uint64_t>(text[text.size() - 2]) : 0xFFFF;
    sampling::SplitMix values(seed << 32 | before << 16 | static_cast<uint64_t>(text.back()));
    std::vector<double> row;
    for (size_t id = 0; id < vocab; ++id) {
      uint64_t bell = 0;
      for (int i = 0; i < 4; ++i) bell += values.below(1 << 18);
      row.push_back((static_cast<double>(bell) / 65536 - 8) * scale);
    }
    for (const int32_t id : end_ids) row[static_cast<size_t>(id)] += end_bias;
    return {row.begin(), row.end()};
  }

  /// The logits of every beam.
  [[nodiscard]] std::vector<float> after(std::span<const int32_t> prompt, std::span<const Beam> beams) const {
    std::vector<float> all;
    for (const Beam& beam : beams) {
      std::vector<int32_t> text(prompt.begin(), prompt.end());
      text.insert(text.end(), beam.tokens.begin(), beam.tokens.end());
      const std::vector<float> row = after(text);
      all.insert(all.end(), row.begin(), row.end());
    }
    return all;
  }
};

}  // namespace pellucid::generation::test
