#include "generation/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "generation/stop.h"
#include "sampling/chain.h"
#include "tokenizer/utf8_stream.h"

namespace pellucid::generation {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// The draw of step `index`; errors name the step.
Result<sampling::Draw> choose(std::span<const float> logits, const GenerateOptions& options, int index) {
  auto chain = sampling::run_chain(logits, options.settings);
  if (!chain.ok()) {
    Error error = chain.error();
    error.what = fmt::format("step {}: {}", index, error.what);
    return error;
  }
  return sampling::draw(chain.value().candidates, options.seed, options.stream, static_cast<uint64_t>(index));
}

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
  for (int index = 0; index < options.max_tokens; ++index) {
    PELLUCID_TRY(const sampling::Draw draw, choose(logits, options, index));
    result.tokens.push_back(draw.token);
    const bool ends_turn = std::find(stop_ids.begin(), stop_ids.end(), draw.token) != stop_ids.end();
    const bool full = static_cast<int>(sequence.tokens.size()) >= engine.options().n_ctx;
    std::string text = ends_turn ? std::string() : tail.push(engine.tokenizer().piece(draw.token));
    const bool last = ends_turn || tail.stopped() || full || index + 1 == options.max_tokens;
    if (last) text += tail.finish();
    result.text += text;
    const bool go_on = !observer || observer(StepView{index, logits, draw, text});
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
