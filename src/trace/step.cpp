#include "trace/step.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <utility>

#include "base/xxh64.h"
#include "sampling/margin.h"
#include "sampling/registry.h"

namespace pellucid::trace {
namespace {

Stage traced(const sampling::StageReport& report) {
  Stage stage;
  stage.name = sampling::row(report.stage).name;
  stage.skipped = report.skipped;
  stage.entered = report.entered;
  stage.kept = report.kept;
  stage.changed = report.changed;
  if (!report.skipped && std::isfinite(report.threshold)) stage.threshold = report.threshold;
  stage.random = report.random;
  return stage;
}

Allowed traced(std::span<const uint32_t> allowed) {
  Allowed result;
  for (const uint32_t word : allowed) result.count += static_cast<size_t>(std::popcount(word));
  result.hash = xxh64(std::as_bytes(allowed));
  return result;
}

/// The candidates of a step that are recorded.
std::vector<Candidate> traced(const generation::StepView& view, size_t top, const PieceOf& piece_of) {
  const sampling::Selection& best = view.watched->best;
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < std::min(top, best.ids.size()); ++i) {
    Candidate& candidate = candidates.emplace_back();
    candidate.id = best.ids[i];
    candidate.piece = piece_of(candidate.id);
    candidate.logit = best.logits[i];
    candidate.probability = view.chain.candidates.probability_of(candidate.id).value_or(0);
    const std::optional<size_t> by = view.watched->removed_by[i];
    if (by) candidate.removed_by = sampling::row(view.chain.reports[*by].stage).name;
  }
  return candidates;
}

/// A step being compared: the words for what differs first.
class Comparison {
 public:
  /// `made` and `recorded` in words.
  template <typename T>
  void equal(std::string_view what, const T& made, const T& recorded) {
    if (!found_ && made != recorded) found_ = fmt::format("{} is {}, recorded is {}", what, made, recorded);
  }
  template <typename T>
  void equal(std::string_view what, const std::optional<T>& made, const std::optional<T>& recorded) {
    const auto text = [](const std::optional<T>& one) { return one ? fmt::format("{}", *one) : "none"; };
    if (!found_ && made != recorded) {
      found_ = fmt::format("{} is {}, recorded is {}", what, text(made), text(recorded));
    }
  }
  void differs_if(bool differs, std::string_view words) {
    if (!found_ && differs) found_ = words;
  }
  [[nodiscard]] std::optional<std::string> found() const { return found_; }
  explicit operator bool() const { return found_.has_value(); }

 private:
  std::optional<std::string> found_;
};

void compare(Comparison& all, std::string_view whose, const RandomDraw& made, const RandomDraw& recorded) {
  all.differs_if(made.key != recorded.key, fmt::format("{} key is another", whose));
  all.differs_if(made.counter != recorded.counter, fmt::format("{} counter is another", whose));
  all.equal(fmt::format("{} integer", whose), made.integer, recorded.integer);
  all.equal(fmt::format("{} u", whose), made.u, recorded.u);
}

void compare_stage(Comparison& all, const Stage& made, const Stage& recorded) {
  const std::string name = fmt::format("the stage {}", recorded.name);
  all.differs_if(made.name != recorded.name, fmt::format("{} is recorded, {} ran", name, made.name));
  all.differs_if(
      made.skipped != recorded.skipped,
      fmt::format("{} {}", name, made.skipped ? "was skipped, recorded as run" : "ran, recorded as skipped"));
  const bool counts = made.entered != recorded.entered || made.kept != recorded.kept;
  all.differs_if(counts, fmt::format("{} kept {} of {}, recorded are {} of {}", name, made.kept, made.entered,
                                     recorded.kept, recorded.entered));
  all.equal(name + ": the number of changed logits", made.changed, recorded.changed);
  all.equal(name + ": the threshold", made.threshold, recorded.threshold);
  all.differs_if(made.random.has_value() != recorded.random.has_value(),
                 name + ": a random number is missing or too much");
  if (made.random && recorded.random) compare(all, name + ": the", *made.random, *recorded.random);
}

void compare_allowed(Comparison& all, const std::optional<Allowed>& made,
                     const std::optional<Allowed>& recorded) {
  all.differs_if(made.has_value() != recorded.has_value(), "a structure is missing or too much");
  if (!made || !recorded) return;
  all.equal("the number of allowed tokens", made->count, recorded->count);
  all.equal("the hash of the allowed tokens", made->hash, recorded->hash);
}

void compare_unconditional(Comparison& all, const std::optional<Unconditional>& made,
                           const std::optional<Unconditional>& recorded) {
  all.differs_if(made.has_value() != recorded.has_value(), "guidance is missing or too much");
  if (!made || !recorded) return;
  all.equal("the hash of the unconditional logits", made->logits_hash, recorded->logits_hash);
}

void compare_draw(Comparison& all, const sampling::Draw& made, const sampling::Draw& recorded) {
  if (made.random && recorded.random) compare(all, "the draw's", *made.random, *recorded.random);
  all.equal("the draw's token", made.token, recorded.token);
  all.equal("the draw's rank", made.rank, recorded.rank);
  all.equal("the draw's probability", made.probability, recorded.probability);
  all.equal("the draw's interval: its low end", made.low, recorded.low);
  all.equal("the draw's interval: its high end", made.high, recorded.high);
  all.equal("the draw's margin", made.margin, recorded.margin);
}

/// Early traces have none.
void compare_prediction(Comparison& all, const Step& made, const Step& recorded) {
  if (made.prediction && recorded.prediction) {
    const sampling::Prediction& now = *made.prediction;
    const sampling::Prediction& then = *recorded.prediction;
    all.equal("the prediction's entropy_bits", now.entropy_bits, then.entropy_bits);
    all.equal("the prediction's log_sum_exp", now.log_sum_exp, then.log_sum_exp);
    all.equal("the prediction's probability", now.probability, then.probability);
    all.equal("the prediction's rank", now.rank, then.rank);
    all.equal("the prediction's surprise_bits", now.surprise_bits, then.surprise_bits);
  }
  if (recorded.final_entropy_bits)
    all.equal("final_entropy_bits", made.final_entropy_bits, recorded.final_entropy_bits);
}

void compare_state(Comparison& all, const sampling::State& made, const sampling::State& recorded) {
  all.equal("the state redraws", made.redraws, recorded.redraws);
  all.equal("the state mirostat_mu", made.mirostat_mu, recorded.mirostat_mu);
  all.equal("the state adaptive_sum", made.adaptive_sum, recorded.adaptive_sum);
  all.equal("the state adaptive_weight", made.adaptive_weight, recorded.adaptive_weight);
}

}  // namespace

std::string shown_piece(const tokenizer::Tokenizer& tokenizer, int32_t id) {
  return std::string(tokenizer.is_special(id) ? tokenizer.text_of(id) : tokenizer.piece(id));
}

Step traced_step(const generation::StepView& view, size_t top, const PieceOf& piece_of) {
  assert(view.watched != nullptr && view.watched->top >= to_watch(top));
  Step step;
  step.index = view.index;
  step.token = view.token;
  step.taken = view.taken;
  step.piece = piece_of(view.token);
  step.text = view.text;
  step.logits_hash = xxh64(view.logits);
  if (!view.context.unconditional.empty())
    step.unconditional = {.logits_hash = xxh64(view.context.unconditional)};
  if (!view.context.allowed.empty()) step.allowed = traced(view.context.allowed);
  for (const sampling::StageReport& report : view.chain.reports) step.stages.push_back(traced(report));
  step.draw = view.draw();
  step.gap = view.watched->gap;
  step.near_tie = sampling::near_tie(view.chain.candidates, step.gap, step.draw);
  auto prediction = sampling::prediction_of(view.logits, view.token, view.threads);
  assert(prediction.ok() && "the chain has taken these logits");
  step.prediction = std::move(prediction).value();
  step.final_entropy_bits = sampling::entropy_bits(view.chain.candidates);
  step.candidates = traced(view, top, piece_of);
  step.banned.assign(view.context.banned.begin(), view.context.banned.end());
  step.taken_back = view.taken_back;
  step.banned_phrase = view.phrase;
  step.state = view.state;
  return step;
}

std::optional<std::string> difference(const Step& made, const Step& recorded) {
  Comparison all;
  all.differs_if(made.logits_hash != recorded.logits_hash,
                 fmt::format("the hash of the logits is {:016x}, recorded is {:016x}", made.logits_hash,
                             recorded.logits_hash));
  all.equal("the number of steps taken back", made.taken_back, recorded.taken_back);
  all.differs_if(made.banned_phrase != recorded.banned_phrase, "the banned phrase is another");
  all.differs_if(made.banned != recorded.banned, "the banned tokens are others");
  compare_state(all, made.state, recorded.state);
  compare_unconditional(all, made.unconditional, recorded.unconditional);
  compare_allowed(all, made.allowed, recorded.allowed);
  for (size_t i = 0; i < std::min(made.stages.size(), recorded.stages.size()); ++i) {
    compare_stage(all, made.stages[i], recorded.stages[i]);
  }
  all.equal("the number of stages", made.stages.size(), recorded.stages.size());
  compare_draw(all, made.draw, recorded.draw);
  all.equal("the token", made.token, recorded.token);
  all.equal("taken", made.taken, recorded.taken);
  all.differs_if(made.piece != recorded.piece, "the token's text is another");
  all.differs_if(made.text != recorded.text, "the text is another");
  all.equal("the gap", made.gap, recorded.gap);
  all.equal("near_tie", made.near_tie, recorded.near_tie);
  compare_prediction(all, made, recorded);
  const auto [one, other] = std::mismatch(made.candidates.begin(), made.candidates.end(),
                                          recorded.candidates.begin(), recorded.candidates.end());
  all.differs_if(other != recorded.candidates.end(),
                 fmt::format("candidate {} is another", other - recorded.candidates.begin()));
  return all.found();
}

}  // namespace pellucid::trace
