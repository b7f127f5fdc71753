// The chain in plain sight: the same stages and the same result as run_chain(), with what happened to each of
// the best candidates at each stage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "sampling/chain.h"

namespace pellucid::sampling {

/// One candidate after one stage (or before the first).
struct Standing {
  size_t rank = 0;         // 0 = best
  double logit = 0;        // as left by the stage
  double probability = 0;  // softmax over who is left
};

struct CandidateHistory {
  int32_t id = 0;
  float raw_logit = 0;             // of the row; -inf where the token was ruled out before the chain
  std::optional<Standing> before;  // before the first stage
  std::vector<std::optional<Standing>> after;  // one for each report; empty from the stage that removed it on
  [[nodiscard]] bool survived() const;         // it is among the candidates that may be drawn
  [[nodiscard]] std::optional<size_t> removed_by() const;  // index of the report whose stage removed it
};

/// All candidates that have no history of their own, together.
struct TailHistory {
  size_t count_before = 0;
  double mass_before = 0;
  std::vector<size_t> count_after;  // one for each report
  std::vector<double> mass_after;   // probability among who is left
};

struct WatchedChain {
  ChainResult result;  // reports have mass_kept and entropy_bits
  size_t vocabulary = 0;
  double entropy_bits_before = 0;
  std::vector<CandidateHistory> candidates;  // the `top` best, best first; then those of `also`
  TailHistory tail;
};

/// Runs the chain and records the `top` best by raw logit, or by what guidance makes of it, and the ids of
/// `also` (those outside the vocabulary are refused, kUsage). Errors otherwise as run_chain().
Result<WatchedChain> watch_chain(std::span<const float> logits, const Settings& settings, size_t top,
                                 std::span<const int32_t> also = {}, const Context& context = {},
                                 const State& state = {});

}  // namespace pellucid::sampling
