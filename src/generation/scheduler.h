// Continuous batching (Orca, Yu et al. 2022): one pass after another over every text that is under way. A
// text joins when there is room and leaves when it ends; its tokens are those it would have alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <span>
#include <vector>

#include "generation/continuation.h"
#include "generation/engine.h"
#include "generation/prefix_cache.h"
#include "generation/tracks.h"

namespace pellucid::generation {

struct SchedulerOptions {
  int max_texts = 64;                       // under way together
  size_t prefix_cache_bytes = 64ULL << 20;  // of keys and values kept for prompts that start alike
};

/// One text to be continued.
struct Request {
  std::vector<int32_t> prompt;
  GenerateOptions options;
  StepObserver observer;                         // may be empty
  std::function<void(Result<Generation>)> done;  // called once, from step()
  const Tracks* after = nullptr;  // in place of a prompt: what has been run but for its last tokens; copied
};

/// One caller at a time, and nobody else uses the engine meanwhile.
class Scheduler {
 public:
  Scheduler(Engine& engine, const SchedulerOptions& options);

  void submit(Request request) { waiting_.push_back(std::move(request)); }
  /// One pass: a token of each text whose prompt has been run, and as much of the prompts as fits beside
  /// them. False where nothing is left to do. Requests that fail end with their error and disturb no other.
  bool step();

  [[nodiscard]] const PrefixCache& prefix_cache() const { return prefix_cache_; }

 private:
  struct Text {
    std::function<void(Result<Generation>)> done;
    Tracks tracks;
    Continuation continuation;
    bool in_prompt = true;
  };
  using Texts = std::list<Text>;

  void admit();
  [[nodiscard]] Result<Text> begin(Request request);
  /// The logits of a pass to those that have run all they have.
  void hand_out(const Result<std::span<const float>>& logits, std::span<const Texts::iterator> running);
  void remember(const Text& text);
  /// Takes the logits of a pass; an error ends the text.
  void advance(Texts::iterator text, const StepLogits& logits);
  void finish(Texts::iterator text, Result<Generation> result);

  Engine& engine_;
  SchedulerOptions options_;
  PrefixCache prefix_cache_;
  std::deque<Request> waiting_;
  Texts texts_;
};

}  // namespace pellucid::generation
