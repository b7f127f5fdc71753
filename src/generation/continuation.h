// One text being continued, step by step: logits in; token, text and whether to go on out. It knows nothing
// of how the logits are made, so alone, in a batch and with drafts it is the same.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "generation/chooser.h"
#include "generation/engine.h"
#include "generation/phrase_bans.h"
#include "generation/text_tail.h"
#include "sampling/chain.h"
#include "sampling/context.h"
#include "sampling/draw.h"
#include "sampling/settings.h"

namespace pellucid::generation {

/// A text that is under way.
struct Begun {
  std::vector<int32_t> tokens;  // its new tokens so far: the last ones of what is run as the prompt
  sampling::State state;        // after them
  std::vector<int32_t> take;    // its next tokens, whatever is drawn
  std::vector<int32_t> banned;  // at the first new step: what led to a banned phrase there
};

struct GenerateOptions {
  sampling::Settings settings;
  uint64_t seed = 0;
  uint64_t stream = 0;   // below 2^56; independent samples of one seed use different streams
  int max_tokens = 256;  // new tokens, those of `begun` counted
  std::vector<std::string> stop;
  std::vector<int32_t> negative_prompt;  // guidance's; none: the last token of the prompt
  bool stop_at_end_of_turn = true;       // at the model's own stop tokens
  bool speculate =
      false;         // drafts from the text itself (PromptLookup): the same tokens, faster where it repeats
  size_t watch = 0;  // of each step's best logits, how many the observer is told of
  Begun begun;       // steps are counted from its first token on
  Cancelled cancelled;       // asked while the prompt runs; the observer ends what comes after
  LogitsSink prompt_logits;  // told of the logits of the whole prompt; a request of the Scheduler has none
};

/// kStop: by a token or a text that ends it, or because its structure is complete.
enum class FinishReason { kStop, kLength, kCancelled };
std::string_view to_string(FinishReason reason);

/// One step as it happened. Views are valid during the call.
struct StepView {
  int index;                         // 0 is the first new token
  std::span<const float> logits;     // [n_vocab], as the model gave them
  const sampling::Context& context;  // what the chain was given besides: with guidance, other logits, too
  const sampling::State& state;      // before this step
  const sampling::ChainResult& chain;
  const sampling::WatchedBest* watched;  // where the options ask for any
  int32_t token;                         // what the text goes on with: the draw's, unless it was taken
  bool taken;
  int taken_back;                 // how many of the steps before are void: it goes on in their place
  std::string_view phrase;        // which banned phrase was complete then
  std::string_view text;          // what became certain with this token, whole characters only; may be empty
  ThreadPool* threads = nullptr;  // idle during the call

  /// The draw as data. It takes the probabilities of all who are left, so it is made for those who ask.
  [[nodiscard]] sampling::Draw draw() const {
    return sampling::draw(chain.candidates, context.seed, context.stream, sampling::step_address(context));
  }
};

/// Called once a step, before the next one starts. A step whose token leads to a banned phrase is called void
/// by the next call. Returning false ends the generation (kCancelled).
using StepObserver = std::function<bool(const StepView&)>;

struct Timings {
  double prefill_ms = 0;
  double decode_ms = 0;    // of the steps after the first token
  int prefill_tokens = 0;  // that were run
  int decode_tokens = 0;   // tokens that decode_ms paid for
};

struct Generation {
  std::vector<int32_t> tokens;  // new tokens, those begun and a stop token included
  std::string text;             // without stop token and stop string
  FinishReason finish_reason = FinishReason::kLength;
  Timings timings;
};

class Continuation {
 public:
  /// After `n_before` tokens: the prompt and those begun. Errors: kUsage (settings, breakers, an empty stop
  /// string, a token to take that there is not, tokens begun that are not of the structure asked for), kLimit
  /// (a structure that takes too much work).
  static Result<Continuation> start(const Engine& engine, GenerateOptions options, size_t n_before,
                                    StepObserver observer = {});

  /// One step: chooses a token from the `logits` of the last one of `tokens`, all that the sequence holds.
  /// False where it was the last one. Where that completes a banned phrase, n_tokens() is less than before or
  /// the same: the text has gone back, and the next step goes on from there. Errors, naming the step:
  /// kNumeric; kUsage and kLimit where there is no way round the banned phrases.
  Result<bool> step(const StepLogits& logits, std::span<const int32_t> tokens);
  /// Ends it before its time, with what it has.
  void cancel() { generation_.finish_reason = FinishReason::kCancelled; }

  [[nodiscard]] const GenerateOptions& options() const { return options_; }
  [[nodiscard]] const std::vector<int32_t>& tokens() const { return generation_.tokens; }  // the new ones
  [[nodiscard]] int32_t newest() const { return generation_.tokens.back(); }
  [[nodiscard]] int n_tokens() const { return static_cast<int>(generation_.tokens.size()); }
  [[nodiscard]] Generation& generation() { return generation_; }

 private:
  Continuation(const Engine& engine, GenerateOptions options, StepObserver observer, Chooser chooser);
  [[nodiscard]] bool ends_turn(int32_t token) const;
  [[nodiscard]] bool is_full(size_t n_positions) const;
  std::string text_of(int32_t token);
  [[nodiscard]] std::optional<int32_t> to_take() const;
  Result<void> hold_phrases();
  void before_step(int index);
  bool meets_phrase(int32_t token, std::string_view let_go);
  Result<void> go_back();
  [[nodiscard]] Error failed(Error error) const;

  const Engine* engine_;
  GenerateOptions options_;
  StepObserver observer_;
  Chooser chooser_;
  TextTail tail_;
  std::optional<PhraseBans> bans_;
  std::vector<int32_t> banned_;  // at the latest step; the chooser views it
  int taken_back_ = 0;           // what the next step is told
  std::string led_back_by_;
  std::vector<int32_t> stop_ids_;
  Generation generation_;
};

}  // namespace pellucid::generation
