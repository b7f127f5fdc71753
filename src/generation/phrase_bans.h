// A text that must not hold some phrases: what of it may still become one, and how far back it has to go
// where it did. The idea is that of koboldcpp's anti-slop and ExLlama's banned strings; here the token that
// is ruled out is the one chosen where the phrase began, and what is drawn there again is drawn afresh.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "generation/chooser.h"
#include "generation/phrase_matcher.h"
#include "generation/text_tail.h"
#include "sampling/settings.h"

namespace pellucid::generation {

/// What a step begins with: to go back there is to have this again.
struct StepMark {
  int index = 0;
  Chooser::Mark chooser;
  TextTail tail;
};

/// Steps are held from the first whose text may be part of a phrase yet; text before them is given out and
/// stays. So a text goes back to where the phrase began, or to the first step that is held.
///
/// It ends: the set of tokens that are banned at a step grows each time it goes back there and lasts until it
/// goes back before, so the sizes of these sets, from the first held step on, grow in lexicographic order;
/// and it goes back at most kMostRedraws times before another step is given out for good.
class PhraseBans {
 public:
  static constexpr size_t kMostBytes = size_t{4} << 20;  // of all phrases
  static constexpr int kMostRedraws = 1000;

  /// Steps before `first` cannot be drawn again. Errors: kUsage (a phrase that is empty, or that no text can
  /// hold), kLimit (too many).
  static Result<PhraseBans> make(const sampling::Settings& settings, int first);

  /// Characters that are there already and stay, `n_given` of them given out. False where they hold a phrase.
  [[nodiscard]] bool begin(std::string_view characters, size_t n_given);

  /// Before each step.
  void hold(StepMark mark);
  /// Tokens that are ruled out at the step that was held last.
  void ban(std::vector<int32_t> ids) { held_.back().banned = std::move(ids); }
  [[nodiscard]] std::span<const int32_t> banned() const { return held_.back().banned; }

  /// The step's token, and the characters that it completed; only the first `most` of the text count. True
  /// where a phrase is complete.
  bool push(int32_t token, std::string_view characters, size_t most);
  /// Adds what the tail of the text has let go, and returns what can be given out.
  std::string release(std::string_view text, bool all);
  /// How much was added, all in all.
  [[nodiscard]] size_t n_text() const { return n_given_ + waiting_.size(); }

  /// Where a phrase is complete: bans the token of the step to go back to, and drops the later ones. Errors:
  /// kLimit; kUsage where no step may be drawn again.
  Result<StepMark> go_back();
  /// The phrase met last; empty without.
  [[nodiscard]] const std::string& phrase() const { return phrase_; }
  /// The same in quotes, at most 40 bytes of it.
  [[nodiscard]] std::string shown_phrase() const;

 private:
  struct Held {
    StepMark mark;
    PhraseMatcher::Place place = PhraseMatcher::kStart;
    size_t begin = 0;   // of its characters in the text
    size_t n_text = 0;  // n_text() before it; a stop string may begin behind it
    int32_t token = 0;
    std::vector<int32_t> banned;
  };
  explicit PhraseBans(std::shared_ptr<const PhraseMatcher> matcher, int first)
      : matcher_(std::move(matcher)), first_(first) {}

  std::shared_ptr<const PhraseMatcher> matcher_;
  int first_;
  std::deque<Held> held_;
  PhraseMatcher::Place place_ = PhraseMatcher::kStart;
  size_t n_characters_ = 0;  // bytes of the text so far
  size_t met_ = 0;           // where the phrase begins that is complete
  std::string phrase_;
  std::string waiting_;  // text that is not given out yet
  size_t n_given_ = 0;
  int n_redraws_ = 0;  // since a step was given out for good
};

}  // namespace pellucid::generation
