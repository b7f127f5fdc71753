// Drafts of the next tokens from the text itself: what followed the last few tokens where they occurred
// before (prompt lookup decoding, Saxena 2023). Drafts are verified in one pass, so they never change the
// result.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pellucid::generation {

/// Drafts grow while they come true and shrink, then pause for ever longer, while they don't: a text that
/// does not repeat pays for next to nothing.
class PromptLookup {
 public:
  /// Appends to `tokens`, which holds the newest token of the text `before`, at most `limit` drafts of those
  /// after it.
  void propose(std::span<const int32_t> before, int limit, std::vector<int32_t>& tokens);
  /// How many of the drafts came true.
  void learn(int drafted, int accepted);

 private:
  int length_ = kFirstLength;  // of the next draft
  int pause_ = 0;              // steps until the next draft
  int next_pause_ = kFirstPause;

  // Passes of 4, 8, 16 tokens: one more than a strip of activations is a product of its own.
  static constexpr int kFirstLength = 3;
  static constexpr int kMaxLength = 15;
  static constexpr int kFirstPause = 4;
  static constexpr int kMaxPause = 64;
};

}  // namespace pellucid::generation
