#include "generation/scheduler.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "generation/passes.h"

namespace pellucid::generation {

Scheduler::Scheduler(Engine& engine, const SchedulerOptions& options)
    : engine_(engine), options_(options), prefix_cache_(options.prefix_cache_bytes) {}

Result<Scheduler::Text> Scheduler::begin(Request request) {
  PELLUCID_CHECK(check_shared_passes(request.options.settings));
  Sequence sequence = request.after != nullptr ? request.after->sequence : engine_.new_sequence();
  if (request.after == nullptr) PELLUCID_CHECK(engine_.check(sequence, request.prompt));
  PELLUCID_TRY(Continuation continuation, Continuation::start(engine_, std::move(request.options),
                                                              sequence.tokens.size() + request.prompt.size(),
                                                              std::move(request.observer)));
  if (request.after == nullptr) prefix_cache_.start(sequence, request.prompt);
  return Text{std::move(request.prompt), std::move(request.done), std::move(sequence),
              std::move(continuation)};
}

void Scheduler::admit() {
  while (!waiting_.empty() && static_cast<int>(texts_.size()) < options_.max_texts) {
    Request request = std::move(waiting_.front());
    waiting_.pop_front();
    auto done = request.done;
    const Prefilled* const after = request.after;
    auto text = begin(std::move(request));
    if (!text.ok()) {
      done(text.error());
    } else if (const Continuation& all = text.value().continuation;
               all.n_tokens() >= all.options().max_tokens) {
      done(std::move(text.value().continuation.generation()));
    } else {
      texts_.push_back(std::move(text).value());
      if (after != nullptr) advance(std::prev(texts_.end()), after->logits);
    }
  }
}

std::span<const int32_t> Scheduler::Text::next_tokens(size_t room) const {
  if (!in_prompt()) return std::span<const int32_t>(continuation.tokens()).last(1);
  const auto left = std::span<const int32_t>(prompt).subspan(sequence.tokens.size());
  return left.first(std::min(left.size(), room));
}

bool Scheduler::step() {
  admit();
  if (texts_.empty()) return false;
  std::vector<Run> runs;
  std::vector<Texts::iterator> running;
  size_t room = std::max(engine_.max_pass(Want::kLast), texts_.size());
  // Texts that write go first: each has its one token in every pass, whatever waits beside it.
  for (const bool in_prompt : {false, true}) {
    for (auto text = texts_.begin(); text != texts_.end() && room > 0; ++text) {
      if (text->in_prompt() != in_prompt) continue;
      const auto tokens = text->next_tokens(room);
      const bool ends_prompt = text->sequence.tokens.size() + tokens.size() >= text->prompt.size();
      runs.push_back({text->sequence, tokens, ends_prompt ? Want::kLast : Want::kNone});
      running.push_back(text);
      room -= tokens.size();
    }
  }
  const auto logits = engine_.run(runs);
  size_t row = 0;
  const auto n_vocab = static_cast<size_t>(engine_.n_vocab());
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!logits.ok()) {
      finish(running[i], logits.error());
    } else if (runs[i].want == Want::kLast) {
      advance(running[i], logits.value().subspan(row++ * n_vocab, n_vocab));
    }
  }
  return true;
}

void Scheduler::advance(Texts::iterator text, std::span<const float> logits) {
  const bool prompt_ended = text->sequence.tokens.size() == text->prompt.size();
  if (prompt_ended) prefix_cache_.remember(text->sequence);
  const Result<bool> go_on = text->continuation.step({logits}, text->sequence.tokens);
  if (!go_on.ok()) {
    finish(text, go_on.error());
  } else if (!go_on.value()) {
    finish(text, std::move(text->continuation.generation()));
  }
}

void Scheduler::finish(Texts::iterator text, Result<Generation> result) {
  prefix_cache_.remember(text->sequence);
  const auto done = std::move(text->done);
  texts_.erase(text);
  done(std::move(result));
}

}  // namespace pellucid::generation
