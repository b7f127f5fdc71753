// Any settings on any logits, for a few steps: refused with one proper error, or a token of those who are
// left, whose probabilities are a distribution. The watched chain and the fast one agree, and a run gives the
// same twice.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "fuzz_bytes.h"
#include "sampling/chain.h"
#include "sampling/registry.h"
#include "sampling/watch.h"

namespace {

using namespace pellucid::sampling;
using pellucid::ErrorCode;
using pellucid::test::FuzzInput;

constexpr const char* kPieces[] = {
    "0",    "1",     "2",    "7",     "40",        "0.5",      "0.9",        "0.95",        "1.0001", "-1",
    "-0.5", "1e-9",  "1e9",  "1e308", "-0",        "nan",      "inf",        ".",           ",",      "+",
    "=",    "=-inf", "-",    "e",     "all",       "keep",     "drop",       "output",      "cut",    "\\n",
    "a",    "\\s",   "pass", " ",     "left_hash", "selfhash", "2147483647", "-2147483648",
};

void require(bool holds) {
  if (!holds) std::abort();
}

bool proper(const pellucid::Error& error) {
  return pellucid::test::proper(error, {ErrorCode::kUsage, ErrorCode::kNumeric, ErrorCode::kLimit});
}

std::string any_order(FuzzInput& input) {
  std::string order;
  for (uint32_t n = input.below(8); n > 0; --n) {
    order += std::string(order.empty() ? "" : ",") +
             std::string(stages()[input.below(static_cast<uint32_t>(stages().size()))].name);
  }
  return order;
}

/// Each value is set as a command line would; what is refused must leave settings that pass.
Settings any_settings(FuzzInput& input) {
  Settings settings;
  for (uint32_t n = input.below(12); n > 0; --n) {
    const StageRow& stage = stages()[input.below(static_cast<uint32_t>(stages().size()))];
    if (stage.settings.empty()) continue;
    const SettingRow& setting = stage.settings[input.below(static_cast<uint32_t>(stage.settings.size()))];
    const auto result = set(settings, setting.name, input.text_of(kPieces, 6));
    require(result.ok() || proper(result.error()));
  }
  if (input.below(4) == 0) {
    const auto result = set(settings, "order", any_order(input));
    require(result.ok() || proper(result.error()));
  }
  return settings;
}

std::vector<float> any_logits(FuzzInput& input) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kOdd[] = {-kInfinity, 0, -0.0F, 3e38F, -3e38F, 1e-44F, 1, 1, -1, 20, kInfinity, NAN};
  const auto n_odd = static_cast<uint32_t>(std::size(kOdd)) - (input.below(32) == 0 ? 0 : 2);
  std::vector<float> logits(input.below(700) + 1);
  uint32_t x = input.below(1 << 16);
  for (float& logit : logits) {
    x = x * 1664525 + 1013904223;
    logit = static_cast<float>(x >> 20) / 200.0F;
  }
  for (uint32_t n = input.below(20); n > 0; --n) {
    logits[input.below(static_cast<uint32_t>(logits.size()))] = kOdd[input.below(n_odd)];
  }
  return logits;
}

void check_distribution(const Candidates& left, size_t vocabulary) {
  require(left.size() >= 1);
  double sum = 0;
  for (size_t rank = 0; rank < left.size(); ++rank) {
    const double p = left.probability(rank);
    require(p >= 0 && p <= 1 && left.id(rank) >= 0 && static_cast<size_t>(left.id(rank)) < vocabulary);
    require(rank == 0 || left.logit(rank) <= left.logit(rank - 1));
    sum += p;
  }
  require(std::abs(sum - 1) < 1e-9 || left.size() < left.standing());
}

/// A step by both chains; false where it is refused.
bool step(const std::vector<float>& logits, const Settings& settings, const Context& context, State& state,
          std::vector<int32_t>& text) {
  const auto fast = run_chain(logits, settings, context, state);
  const auto watched = watch_chain(logits, settings, 3, {}, context, state);
  require(fast.ok() == watched.ok());
  if (!fast.ok()) {
    require(proper(fast.error()) && proper(watched.error()));
    return false;
  }
  check_distribution(fast.value().candidates, logits.size());
  const Draw drawn = draw(fast.value().candidates, context.seed, 0, context.step);
  const Draw again = draw(watched.value().result.candidates, context.seed, 0, context.step);
  require(drawn.token == again.token && drawn.low == again.low && drawn.high == again.high);
  require(drawn.low <= drawn.u && (drawn.u < drawn.high || drawn.high >= 1));
  const bool may_revive = !settings.logit_bias.empty() || !settings.forced_tokens.empty();
  require(std::isfinite(logits[static_cast<size_t>(drawn.token)]) || may_revive);
  state = advanced(state, settings, fast.value(), drawn);
  text.push_back(drawn.token);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  const Settings settings = any_settings(input);
  if (const auto checked = check(settings); !checked.ok()) {
    require(proper(checked.error()));
    return 0;
  }
  std::vector<int32_t> text;
  for (uint32_t n = input.below(12); n > 0; --n) text.push_back(static_cast<int32_t>(input.below(40)));
  TokenSet allowed(8);
  for (uint32_t& word : allowed) word = input.below(1 << 16);
  const std::vector<int32_t> ends{2};
  State state;
  const size_t prompt = input.below(static_cast<uint32_t>(text.size()) + 1);
  for (uint64_t t = 0; t < 4; ++t) {
    const std::vector<int32_t> tokens = text;
    Context context{.tokens = tokens, .prompt_length = prompt, .end_ids = ends, .seed = 5, .step = t};
    if (is_structured(settings)) context.allowed = allowed;
    const std::vector<int32_t> banned(input.below(2), static_cast<int32_t>(input.below(40)));
    context.banned = banned;
    const std::vector<float> logits = any_logits(input);
    std::vector<float> unconditional = any_logits(input);
    if (input.below(8) != 0) unconditional.resize(logits.size());
    context.unconditional = unconditional;
    if (!step(logits, settings, context, state, text)) break;
  }
  return 0;
}
