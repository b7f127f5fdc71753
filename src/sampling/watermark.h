// The watermark of Kirchenbauer et al. 2023 ("A watermark for large language models", arXiv:2301.10226, and
// "On the reliability of watermarks", arXiv:2306.04634): a keyed hash of the text before a token makes a part
// of the vocabulary green. The stage `watermark` prefers green tokens; who has the key counts them.
//
// Green lists are those of transformers' WatermarkLogitsProcessor on a CPU (torch's generator there is the
// Mersenne Twister, its permutation Fisher and Yates's), so that each finds the other's texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "sampling/settings.h"

namespace pellucid::sampling {

/// The table that selfhash hashes tokens with: a permutation of 0 .. 1,000,002 made from the key.
std::vector<int32_t> watermark_table(int32_t key);

/// Which tokens are green. A view of its table's, if it is given one.
class GreenLists {
 public:
  /// Of settings that check() accepts. `table` is watermark_table() of the key; where it is empty and
  /// selfhash needs it, it is made, which takes milliseconds.
  GreenLists(const Settings& settings, size_t vocabulary, std::span<const int32_t> table = {});

  GreenLists(const GreenLists&) = delete;
  GreenLists& operator=(const GreenLists&) = delete;

  /// floor(ratio * vocabulary): tokens of a list.
  [[nodiscard]] size_t size() const { return size_; }

  /// lefthash: whether each token is green after `last`, by id.
  [[nodiscard]] std::vector<bool> after(int32_t last) const;

  /// Whether `token` is green after `before`, of which the last context_width tokens count (lefthash: the
  /// last one, which there must be).
  [[nodiscard]] bool is_green(std::span<const int32_t> before, int32_t token) const;

 private:
  [[nodiscard]] uint32_t seed_after(int32_t last) const;
  [[nodiscard]] uint32_t seed_of(std::span<const int32_t> before, int32_t token) const;
  [[nodiscard]] bool in_list(uint32_t seed, int32_t token) const;

  const Settings& settings_;
  uint32_t vocabulary_;
  uint32_t size_;
  std::vector<int32_t> made_;
  std::span<const int32_t> table_;
};

/// How green a text is.
struct WatermarkScore {
  size_t scored = 0;                       // tokens, or distinct n-grams
  size_t green = 0;                        // of them
  double z = 0;                            // (green - ratio * scored) / sqrt(scored * ratio * (1 - ratio))
  double p = 0;                            // of so many or more by chance: erfc(z / sqrt 2) / 2
  std::vector<std::optional<bool>> marks;  // each token: green or not; none where too few stand before it

  [[nodiscard]] double fraction() const { return static_cast<double>(green) / static_cast<double>(scored); }
};

/// Counts the green tokens of a text; with `ignore_repeated`, an n-gram (a token and what its colour depends
/// on) that occurs again doesn't count again, for it says nothing new. The numbers are those of transformers'
/// WatermarkDetector on `tokens` without a BOS. Errors: kUsage (no token has enough before it, one that is
/// outside the vocabulary, settings).
Result<WatermarkScore> score_watermark(std::span<const int32_t> tokens, const Settings& settings,
                                       size_t vocabulary, bool ignore_repeated);

/// How many tokens stand before the first one that is scored.
size_t watermark_prefix(const Settings& settings);

}  // namespace pellucid::sampling
