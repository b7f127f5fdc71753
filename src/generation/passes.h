// The one or two sequences of a text that has its passes to itself (tracks.h: of one that shares them).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "generation/continuation.h"
#include "generation/engine.h"

namespace pellucid::generation {

/// Views `sequence` and the engine, whose latest logits it hands out. What shares a pass changes no bit.
class Passes {
 public:
  Passes(Engine& engine, Sequence& sequence) : engine_(engine), sequence_(sequence) {}

  /// Runs the prompt after what the sequence holds. With guidance, runs what the unconditional text begins
  /// with, too: the negative prompt, or the last token of the prompt where there is none; then the tokens
  /// begun. False where it was cancelled. Errors: those of prefill().
  Result<bool> begin(std::span<const int32_t> prompt, const GenerateOptions& options);
  /// After that.
  [[nodiscard]] StepLogits first() const { return {first_, first_unconditional_}; }

  /// Runs the same tokens after both texts. Errors: those of Engine::run().
  Result<void> run(std::span<const int32_t> tokens);
  /// After token i of the latest run().
  [[nodiscard]] StepLogits logits(size_t i) const;

  /// Positions that are left in the context.
  [[nodiscard]] int room() const;
  /// Takes back all but the first n new tokens, those begun counted.
  void hold(size_t n);

 private:
  Result<void> begin_unconditional(std::span<const int32_t> prompt, const GenerateOptions& options);

  Engine& engine_;
  Sequence& sequence_;
  std::optional<Sequence> unconditional_;
  size_t n_before_ = 0;                // tokens before the new ones: of the sequence,
  size_t n_unconditional_before_ = 0;  // and of the unconditional one
  std::vector<float> first_;           // logits
  std::vector<float> first_unconditional_;
  std::span<const float> logits_;  // of the latest run
  size_t n_run_ = 0;               // its tokens
};

}  // namespace pellucid::generation
