#include "generation/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "generation/breakers.h"
#include "generation/stop.h"
#include "sampling/chain.h"
#include "tokenizer/utf8_stream.h"

namespace pellucid::generation {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Chain and draw of each step, and what they carry from one to the next.
class Chooser {
 public:
  static Result<Chooser> make(const Engine& engine, const GenerateOptions& options, size_t prompt_length) {
    Chooser chooser(options);
    chooser.end_ids_ = engine.tokenizer().stop_ids();
    chooser.context_.prompt_length = prompt_length;
    chooser.context_.seed = options.seed;
    chooser.context_.stream = options.stream;
    if (options.settings.dry_multiplier != 0) {
      PELLUCID_TRY(chooser.breakers_, breaker_tokens(engine.tokenizer(), options.settings.dry_breakers));
    }
    return chooser;
  }

  /// The draw of step `index` after `tokens`; errors name the step.
  Result<sampling::Draw> choose(std::span<const float> logits, std::span<const int32_t> tokens, int index) {
    context_.tokens = tokens;
    context_.step = static_cast<uint64_t>(index);
    context_.end_ids = end_ids_;
    context_.breakers = breakers_;
    state_ = next_;
    auto chain = sampling::run_chain(logits, options_->settings, context_, state_);
    if (!chain.ok()) {
      Error error = chain.error();
      error.what = fmt::format("step {}: {}", index, error.what);
      return error;
    }
    sampling::Draw draw =
        sampling::draw(chain.value().candidates, context_.seed, context_.stream, context_.step);
    next_ = sampling::advanced(state_, options_->settings, chain.value(), draw);
    return draw;
  }

  [[nodiscard]] const sampling::Context& context() const { return context_; }
  [[nodiscard]] const sampling::State& state() const { return state_; }

 private:
  explicit Chooser(const GenerateOptions& options) : options_(&options) {}

  const GenerateOptions* options_;
  std::vector<int32_t> end_ids_;
  std::vector<sampling::TokenIds> breakers_;
  sampling::Context context_;
  sampling::State state_;  // of the latest step
  sampling::State next_;
};

/// Bytes of tokens -> characters -> text that no stop string takes back.
class TextTail {
 public:
  explicit TextTail(const std::vector<std::string>& stop) : stop_(stop) {}
  std::string push(std::string_view bytes) { return stop_.push(utf8_.push(bytes)); }
  std::string finish() {
    std::string text = stop_.push(utf8_.finish());
    return text + stop_.finish();
  }
  [[nodiscard]] bool stopped() const { return stop_.stopped(); }

 private:
  tokenizer::Utf8Stream utf8_;
  StopStrings stop_;
};

}  // namespace

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    default:
      return "cancelled";
  }
}

Result<Generation> generate(Engine& engine, Sequence& sequence, std::span<const int32_t> prompt,
                            const GenerateOptions& options, const StepObserver& observer) {
  PELLUCID_CHECK(sampling::check(options.settings));
  const std::vector<int32_t> stop_ids =
      options.stop_at_end_of_turn ? engine.tokenizer().stop_ids() : std::vector<int32_t>{};
  Generation result;
  TextTail tail(options.stop);
  std::span<const float> logits;
  const LogitsSink keep = [&](int, std::span<const float> row, int) -> Result<void> {
    logits = row;
    return {};
  };

  auto start = Clock::now();
  const size_t before = sequence.tokens.size();
  PELLUCID_CHECK(engine.extend(sequence, prompt, Want::kLast, keep, {}, options.cancelled));
  result.timings.prefill_ms = milliseconds_since(start);
  result.timings.prefill_tokens = static_cast<int>(sequence.tokens.size() - before);
  if (sequence.tokens.size() - before < prompt.size()) {
    result.finish_reason = FinishReason::kCancelled;
    return result;
  }

  start = Clock::now();
  PELLUCID_TRY(Chooser chooser, Chooser::make(engine, options, sequence.tokens.size()));
  for (int index = 0; index < options.max_tokens; ++index) {
    PELLUCID_TRY(const sampling::Draw draw, chooser.choose(logits, sequence.tokens, index));
    result.tokens.push_back(draw.token);
    const bool ends_turn = std::find(stop_ids.begin(), stop_ids.end(), draw.token) != stop_ids.end();
    const bool full = static_cast<int>(sequence.tokens.size()) >= engine.options().n_ctx;
    std::string text = ends_turn ? std::string() : tail.push(engine.tokenizer().piece(draw.token));
    const bool last = ends_turn || tail.stopped() || full || index + 1 == options.max_tokens;
    if (last) text += tail.finish();
    result.text += text;
    const bool go_on =
        !observer || observer(StepView{index, logits, chooser.context(), chooser.state(), draw, text});
    if (ends_turn || tail.stopped()) result.finish_reason = FinishReason::kStop;
    if (!go_on) result.finish_reason = FinishReason::kCancelled;
    if (last || !go_on) break;
    PELLUCID_CHECK(engine.extend(sequence, {&result.tokens.back(), 1}, Want::kLast, keep));
    ++result.timings.decode_tokens;
  }
  result.timings.decode_ms = milliseconds_since(start);
  return result;
}

}  // namespace pellucid::generation
