// Chain and draw of each step of one text, and what they carry from one to the next.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "sampling/chain.h"
#include "sampling/context.h"
#include "sampling/draw.h"
#include "sampling/settings.h"
#include "tokenizer/tokenizer.h"

namespace pellucid::generation {

class Chooser {
 public:
  /// Draws are (seed, stream, step). Errors: kUsage (settings, DRY's breakers).
  static Result<Chooser> make(const tokenizer::Tokenizer& tokenizer, const sampling::Settings& settings,
                              uint64_t seed, uint64_t stream, size_t prompt_length);
  /// The same without a tokenizer: who knows what of it the stages ask for. Errors: kUsage (settings).
  static Result<Chooser> make(const sampling::Settings& settings, uint64_t seed, uint64_t stream,
                              size_t prompt_length, sampling::TokenIds end_ids,
                              std::vector<sampling::TokenIds> breakers);

  /// After the latest step.
  [[nodiscard]] const sampling::State& next_state() const { return next_; }
  /// Begins with this state, that of a text that is under way.
  void go_on_from(const sampling::State& state) { next_ = state; }

  /// Of each step, the `top` best logits; 0: none.
  void watch(size_t top) { watched_.top = top; }

  /// The draw of step `index` after `tokens`; errors name the step. Where a token is `taken` in its place,
  /// the state goes on as if that had been drawn, or stays where no draw could have given it.
  Result<sampling::Draw> choose(std::span<const float> logits, std::span<const int32_t> tokens, int index,
                                std::optional<int32_t> taken = {});

  /// What the chain of the latest step was given; views of tokens are as valid as those.
  [[nodiscard]] const sampling::Context& context() const { return context_; }
  [[nodiscard]] const sampling::ChainResult& chain() const { return chain_; }
  /// nullptr where none are watched.
  [[nodiscard]] const sampling::WatchedBest* watched() const {
    return watched_.top == 0 ? nullptr : &watched_;
  }
  /// Before the latest step.
  [[nodiscard]] const sampling::State& state() const { return state_; }

 private:
  sampling::Settings settings_;
  std::vector<int32_t> end_ids_;
  std::vector<sampling::TokenIds> breakers_;
  sampling::Context context_;
  sampling::ChainResult chain_;
  sampling::WatchedBest watched_;
  sampling::State state_;
  sampling::State next_;
};

}  // namespace pellucid::generation
