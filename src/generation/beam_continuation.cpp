#include "generation/beam_continuation.h"

#include <algorithm>
#include <utility>

#include "sampling/log_softmax.h"
#include "sampling/registry.h"

namespace pellucid::generation {

bool shapes_draws(sampling::StageId stage) {
  const sampling::StageGroup group = sampling::row(stage).group;
  return group == sampling::StageGroup::kBasic || group == sampling::StageGroup::kTruncation;
}

sampling::Settings beam_settings(sampling::Settings settings, BeamChoosing choosing) {
  if (choosing == BeamChoosing::kBest) std::erase_if(settings.order, shapes_draws);
  return settings;
}

BeamContinuation::BeamContinuation(const BeamRules& rules, BeamStart start, BeamObserver observer)
    : search_(rules), start_(std::move(start)), observer_(std::move(observer)) {
  // Whichever tokens end a text, one more is left to go on with.
  if (start_.choosing == BeamChoosing::kDraw)
    start_.chooser.leave_at_least(std::max<size_t>(2, start_.stop_ids.size() + 1));
  texts_.push_back({start_.chooser, start_.tail});
}

Result<bool> BeamContinuation::step(std::span<const float> logits) {
  PELLUCID_TRY(const std::vector<BeamCandidate> all, candidates(logits));
  const std::vector<Beam> before = search_.running();
  const std::vector<BeamFate> fates = search_.step(all);
  PELLUCID_CHECK(go_on(all));
  const bool wanted = !observer_ || observer_({index_, before, all, fates, search_});
  ++index_;
  if (!wanted && !search_.done()) cancel();
  return !search_.done();
}

/// The chain of a beam, whose stages see log-probabilities as transformers' do in a beam search. False where
/// it rules out every token: an error only where no beam is left by that.
Result<bool> BeamContinuation::look(size_t beam, std::span<const float> row) {
  PELLUCID_TRY(scores_[beam], sampling::log_softmax(row));
  std::vector<int32_t> tokens = start_.prompt;
  const Beam& running = search_.running()[beam];
  tokens.insert(tokens.end(), running.tokens.begin(), running.tokens.end());
  const Result<void> looked = texts_[beam].chooser.look({scores_[beam]}, tokens, index_);
  if (looked.ok()) return true;
  if (looked.error().code != ErrorCode::kUsage) return looked.error();
  dead_end_ = looked.error();
  return false;
}

std::vector<BeamCandidate> BeamContinuation::choose(std::span<const BeamNext> beams) const {
  const size_t count = BeamSearch::candidates_of(search_.rules().beams, start_.stop_ids.size());
  if (start_.choosing == BeamChoosing::kBest) return best_candidates(beams, count);
  sampling::Context address = start_.chooser.context();
  address.step = static_cast<uint64_t>(index_);
  return drawn_candidates(beams, count, address);
}

Result<std::vector<BeamCandidate>> BeamContinuation::candidates(std::span<const float> logits) {
  const std::vector<Beam>& running = search_.running();
  const size_t n_vocab = logits.size() / running.size();
  std::vector<BeamNext> next;
  scores_.resize(running.size());
  for (size_t i = 0; i < running.size(); ++i) {
    PELLUCID_TRY(const bool any, look(i, logits.subspan(i * n_vocab, n_vocab)));
    next.push_back({running[i].sum, any ? &texts_[i].chooser.chain().candidates : nullptr});
  }
  std::vector<BeamCandidate> all = choose(next);
  if (all.empty() && search_.finished().empty()) return *dead_end_;
  for (BeamCandidate& one : all) {
    PELLUCID_TRY(one.ends, ends(texts_[one.parent], one.token));
  }
  return all;
}

/// Whether a text has ended with a token.
Result<bool> BeamContinuation::ends(const Text& text, int32_t token) const {
  if (std::ranges::find(start_.stop_ids, token) != start_.stop_ids.end()) return true;
  if (start_.has_stop_strings) {
    TextTail tail = text.tail;
    tail.push(start_.piece(token));
    if (tail.stopped()) return true;
  }
  return text.chooser.ended_after(token);
}

/// Each beam has its parent's text and one token more.
Result<void> BeamContinuation::go_on(std::span<const BeamCandidate> candidates) {
  parents_.clear();
  for (const size_t i : search_.chosen()) parents_.push_back(candidates[i].parent);
  texts_ = inherit(std::move(texts_), parents_);
  for (size_t i = 0; i < texts_.size(); ++i) {
    const int32_t token = candidates[search_.chosen()[i]].token;
    PELLUCID_CHECK(texts_[i].chooser.go_on_with(token));
    if (start_.has_stop_strings) texts_[i].tail.push(start_.piece(token));
  }
  return {};
}

}  // namespace pellucid::generation
