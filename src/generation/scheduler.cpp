#include "generation/scheduler.h"

#include <algorithm>
#include <utility>

namespace pellucid::generation {

Scheduler::Scheduler(Engine& engine, const SchedulerOptions& options)
    : engine_(engine), options_(options), prefix_cache_(options.prefix_cache_bytes) {}

Result<Scheduler::Text> Scheduler::begin(Request request) {
  Sequence sequence = engine_.new_sequence();
  PELLUCID_CHECK(engine_.check(sequence, request.prompt));
  PELLUCID_TRY(Continuation continuation,
               Continuation::start(engine_, request.options, request.prompt.size(), request.observer));
  const auto known = static_cast<size_t>(prefix_cache_.start(sequence, request.prompt));
  return Text{std::move(request), std::move(sequence), std::move(continuation), known};
}

void Scheduler::admit() {
  while (!waiting_.empty() && static_cast<int>(texts_.size()) < options_.max_texts) {
    Request request = std::move(waiting_.front());
    waiting_.pop_front();
    auto done = request.done;
    auto text = begin(std::move(request));
    if (!text.ok()) {
      done(text.error());
    } else if (text.value().continuation.options().max_tokens == 0) {
      done(std::move(text.value().continuation.generation()));
    } else {
      texts_.push_back(std::move(text).value());
    }
  }
}

std::span<const int32_t> Scheduler::next_tokens(const Text& text, size_t room) {
  if (text.in_prompt()) {
    const auto left = std::span<const int32_t>(text.request.prompt).subspan(text.prompt_run);
    return left.first(std::min(left.size(), room));
  }
  return std::span<const int32_t>(text.continuation.tokens()).last(1);
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
      const auto tokens = next_tokens(*text, room);
      const bool ends_prompt = text->prompt_run + tokens.size() >= text->request.prompt.size();
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
    } else if (runs[i].want == Want::kNone) {
      running[i]->prompt_run += runs[i].tokens.size();
    } else {
      advance(running[i], runs[i].tokens.size(), logits.value().subspan(row++ * n_vocab, n_vocab));
    }
  }
  return true;
}

void Scheduler::advance(Texts::iterator text, size_t n_run, std::span<const float> logits) {
  if (text->in_prompt()) {
    text->prompt_run += n_run;
    prefix_cache_.remember(text->sequence);
  }
  const Result<bool> go_on = text->continuation.step(logits, text->sequence.tokens);
  if (!go_on.ok()) {
    finish(text, go_on.error());
  } else if (!go_on.value()) {
    finish(text, std::move(text->continuation.generation()));
  }
}

void Scheduler::finish(Texts::iterator text, Result<Generation> result) {
  prefix_cache_.remember(text->sequence);
  const auto done = std::move(text->request.done);
  texts_.erase(text);
  done(std::move(result));
}

}  // namespace pellucid::generation
