#include "generation/scheduler.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace pellucid::generation {

Scheduler::Scheduler(Engine& engine, const SchedulerOptions& options)
    : engine_(engine), options_(options), prefix_cache_(options.prefix_cache_bytes) {}

Result<Scheduler::Text> Scheduler::begin(Request request) {
  Tracks tracks;
  if (request.after != nullptr) {
    tracks = *request.after;
  } else {
    PELLUCID_TRY(tracks, tracks_of(engine_, request.prompt, request.options));
  }
  PELLUCID_TRY(Continuation continuation,
               Continuation::start(engine_, std::move(request.options), tracks.front().tokens.size(),
                                   std::move(request.observer)));
  for (Track& track : tracks) {
    if (request.after == nullptr) prefix_cache_.start(track.sequence, track.tokens);
  }
  return Text{std::move(request.done), std::move(tracks), std::move(continuation)};
}

void Scheduler::admit() {
  while (!waiting_.empty() && static_cast<int>(texts_.size()) < options_.max_texts) {
    Request request = std::move(waiting_.front());
    waiting_.pop_front();
    auto done = request.done;
    auto text = begin(std::move(request));
    if (!text.ok()) {
      done(text.error());
    } else if (const Continuation& all = text.value().continuation;
               all.n_tokens() >= all.options().max_tokens) {
      done(std::move(text.value().continuation.generation()));
    } else {
      texts_.push_back(std::move(text).value());
    }
  }
}

bool Scheduler::step() {
  admit();
  if (texts_.empty()) return false;
  std::vector<Run> runs;
  std::vector<Texts::iterator> running;
  size_t room = 0;
  for (const Text& text : texts_) room += text.tracks.size();
  room = std::max(engine_.max_pass(Want::kLast), room);
  // Texts that write go first: each has its one token in every pass, whatever waits beside it.
  for (const bool in_prompt : {false, true}) {
    for (auto text = texts_.begin(); text != texts_.end() && room > 0; ++text) {
      if (text->in_prompt != in_prompt) continue;
      room -= add_runs(text->tracks, room, runs);
      running.push_back(text);
    }
  }
  hand_out(engine_.run(runs), running);
  return true;
}

void Scheduler::hand_out(const Result<std::span<const float>>& logits,
                         std::span<const Texts::iterator> running) {
  const auto n_vocab = static_cast<size_t>(engine_.n_vocab());
  size_t n_rows = 0;
  const auto next_row = [&] { return logits.value().subspan(n_vocab * n_rows++, n_vocab); };
  for (const auto text : running) {
    if (!logits.ok()) {
      finish(text, logits.error());
    } else if (all_run(text->tracks)) {
      const std::span<const float> own = next_row();
      advance(text, {own, text->tracks.size() > 1 ? next_row() : std::span<const float>()});
    }
  }
}

void Scheduler::remember(const Text& text) {
  for (const Track& track : text.tracks) prefix_cache_.remember(track.sequence);
}

void Scheduler::advance(Texts::iterator text, const StepLogits& logits) {
  if (std::exchange(text->in_prompt, false)) remember(*text);
  const Result<bool> go_on = text->continuation.step(logits, text->tracks.front().sequence.tokens);
  if (!go_on.ok()) {
    finish(text, go_on.error());
  } else if (!go_on.value()) {
    finish(text, std::move(text->continuation.generation()));
  } else {
    follow(text->tracks, text->continuation);
  }
}

void Scheduler::finish(Texts::iterator text, Result<Generation> result) {
  remember(*text);
  const auto done = std::move(text->done);
  texts_.erase(text);
  done(std::move(result));
}

}  // namespace pellucid::generation
