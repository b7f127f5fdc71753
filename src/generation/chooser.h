// Chain and draw of each step of one text, and what they carry from one to the next.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bridge/guide.h"
#include "sampling/chain.h"
#include "sampling/context.h"
#include "sampling/draw.h"
#include "sampling/settings.h"
#include "tokenizer/tokenizer.h"

namespace pellucid::generation {

/// What the model says of the next token, index = token id.
struct StepLogits {
  std::span<const float> logits;
  std::span<const float> unconditional = {};  // with guidance: of the text without its prompt
};

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

  /// Draws are of the tokens that the guide allows, from here on. Where the text may not end, tokens that end
  /// one are not among them.
  void follow(bridge::Guide guide, bool may_end) {
    guide_ = std::move(guide);
    may_end_ = may_end;
  }
  /// The tokens that may come next (a TokenSet), of who knows them without a guide.
  void allow(std::span<const uint32_t> allowed) { context_.allowed = allowed; }
  /// True where the guide says that nothing can follow.
  [[nodiscard]] bool ended() const { return guide_ && guide_->ended(); }

  /// Tokens that may not be chosen at the next steps, until others are named; a view of the caller's.
  void ban(std::span<const int32_t> ids) { context_.banned = ids; }

  /// How often the text has gone back before the next step, of who knows it.
  void go_on_at(uint32_t redraws) { next_.redraws = redraws; }

  /// All that the next step begins with.
  struct Mark {
    sampling::State state;
    std::optional<bridge::Guide> guide;
  };
  [[nodiscard]] Mark mark() const { return {next_, guide_}; }
  /// Goes back there. Draws from here on are others than those before.
  void go_back(const Mark& mark) {
    const uint32_t redraws = next_.redraws + 1;
    next_ = mark.state;
    next_.redraws = redraws;
    guide_ = mark.guide;
  }

  /// However far the stages would cut, this many candidates are left.
  void leave_at_least(size_t least) { context_.least = least; }

  /// These threads, which must outlive it, help with long rows.
  void share(ThreadPool& threads) { threads_ = &threads; }

  /// Of each step, the `top` best logits; 0: none.
  void watch(size_t top) { watched_.top = top; }

  /// The token that is drawn at step `index` after `tokens`; errors name the step. Where another is `taken`
  /// in its place, the state goes on as if that had been drawn, or stays where no draw could have given it.
  /// Errors: those of run_chain(); of the guide, which may refuse a token that is taken.
  Result<int32_t> choose(const StepLogits& logits, std::span<const int32_t> tokens, int index,
                         std::optional<int32_t> taken = {});

  /// The chain of step `index` after `tokens`, and no draw. Errors: as choose().
  Result<void> look(const StepLogits& logits, std::span<const int32_t> tokens, int index);
  /// State and guide go on from the latest step as if `token` had been drawn; the state stays where no draw
  /// could have given it. Errors: the guide's.
  Result<void> go_on_with(int32_t token);
  /// True where the guide would say, after `token`, that nothing can follow. Errors: the guide's.
  [[nodiscard]] Result<bool> ended_after(int32_t token) const;

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
  Result<void> consult_guide();
  Result<void> run_chain(std::span<const float> logits);

  sampling::Settings settings_;
  std::vector<int32_t> end_ids_;
  std::vector<sampling::TokenIds> breakers_;
  std::optional<bridge::Guide> guide_;
  bool may_end_ = true;
  sampling::TokenSet allowed_;
  std::vector<int32_t> watermark_table_;
  sampling::Context context_;
  sampling::ChainResult chain_;
  sampling::WatchedBest watched_;
  sampling::State state_;
  sampling::State next_;
  ThreadPool* threads_ = nullptr;
};

}  // namespace pellucid::generation
