// A row of logits before anything is sorted: the model's numbers, and the few that stages have changed since.
// The best of them are picked in one pass over the vocabulary.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "sampling/block.h"

namespace pellucid::sampling {

/// A token and the logit it gets; -inf rules it out.
struct Edit {
  int32_t id;
  double logit;
};

/// The order of candidates: by logit descending, then by id ascending.
inline bool better(const Edit& a, const Edit& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

/// Bit i % 32 of word i / 32 is set for token i; those behind the last word are not in it.
using TokenSet = std::vector<uint32_t>;

inline bool contains(std::span<const uint32_t> set, size_t id) {
  return id / 32 < set.size() && (set[id / 32] >> id % 32 & 1U) != 0;
}

/// The set of `ids`, none of them negative.
inline TokenSet token_set(std::span<const int32_t> ids) {
  TokenSet set;
  for (const int32_t id : ids) {
    const auto word = static_cast<size_t>(id) / 32;
    if (word >= set.size()) set.resize(word + 1);
    set[word] |= uint32_t{1} << id % 32;
  }
  return set;
}

/// What a stage asks for that looks at single tokens.
struct Edits {
  std::vector<Edit> changes;  // ids ascending, none twice
  TokenSet only = {};         // where `restricts`: all others are ruled out
  bool restricts = false;
};

/// Which candidates suffice for what comes next.
struct Enough {
  size_t best = 0;    // this many of the best; 0: all
  bool ties = false;  // and those whose logit is that of the last of them
  double below = std::numeric_limits<double>::infinity();  // none further below the best than this

  [[nodiscard]] bool all() const { return best == 0 && below == std::numeric_limits<double>::infinity(); }
};

/// The largest float that isn't above x.
float rounded_down(double x);

/// Logits worth considering, ordered by logit descending, then id ascending.
struct Selection {
  std::vector<int32_t> ids;
  std::vector<double> logits;  // logits[i] belongs to ids[i]
};

/// Views the caller's logits, or has its own; the index is the token id. A logit of -inf marks a token that
/// is ruled out.
class Row {
 public:
  /// Errors: kNumeric where a logit is NaN or +inf (names the lowest such id), or all are -inf, or there is
  /// none; kLimit where ids would not fit 31 bits.
  /// Those of `threads`, which must outlive the row, help to look through a long one.
  static Result<Row> from(std::span<const float> logits, ThreadPool* threads = nullptr);
  static Result<Row> owning(std::vector<float> logits, ThreadPool* threads = nullptr);

  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;
  Row(Row&&) = default;
  Row& operator=(Row&&) = default;

  [[nodiscard]] size_t vocabulary() const { return logits_.size(); }

  /// How many tokens are not ruled out.
  [[nodiscard]] size_t standing() const { return standing_; }

  /// -inf, too, where `id` is outside the vocabulary.
  [[nodiscard]] double logit(int32_t id) const;

  /// -inf where there is none.
  [[nodiscard]] double highest() const;

  void apply(const Edits& edits);

  [[nodiscard]] const std::vector<Edit>& edits() const { return edits_; }

  /// The sum of exp((logit - limit) * scale) over the logits that are not edited and not above `limit`, as
  /// exact as kRoughError says (block.h).
  [[nodiscard]] double rough_weight(float limit, float scale) const;

  /// Calls f(logits) for each block of kBlock of the tokens [begin, end), in order of id, the last perhaps
  /// shorter. Parts (parts.h) begin and end with one.
  template <typename F>
  void for_each_block(size_t begin, size_t end, const F& f) const;

  [[nodiscard]] ThreadPool* threads() const { return threads_; }

  /// At least what `enough` asks for. There must be a token left.
  [[nodiscard]] Selection select(const Enough& enough) const;

 private:
  Row() = default;
  void keep_only(std::span<const uint32_t> only);
  void change(std::span<const Edit> changes);
  Result<void> scan();
  /// The first one of a token from `id` on.
  [[nodiscard]] std::vector<Edit>::const_iterator edits_from(size_t id) const;
  template <typename F>
  void for_each_edited_block(size_t begin, size_t end, const F& f) const;
  void rescan_edited_blocks();
  [[nodiscard]] double rough_weight(size_t begin, size_t end, float limit, float scale) const;
  [[nodiscard]] bool edited(int32_t id) const;
  [[nodiscard]] Selection merged(const std::vector<uint64_t>& keys) const;
  [[nodiscard]] std::vector<Edit> edited_and_standing() const;
  [[nodiscard]] std::vector<uint64_t> keys_from(float floor) const;

  std::span<const float> logits_;
  std::vector<float> own_;     // what logits_ views where they are not the caller's
  std::vector<Edit> edits_;    // the logits that differ from logits_; ids ascending
  std::vector<float> maxima_;  // of each block of logits_, edited ones left out
  size_t standing_ = 0;
  ThreadPool* threads_ = nullptr;
};

template <typename F>
void Row::for_each_block(size_t begin, size_t end, const F& f) const {
  std::array<double, kBlock> block{};
  auto edit = edits_from(begin);
  for (; begin < end; begin += kBlock) {
    const size_t n = std::min(kBlock, end - begin);
    std::copy_n(logits_.begin() + static_cast<ptrdiff_t>(begin), n, block.begin());
    for (; edit != edits_.end() && static_cast<size_t>(edit->id) < begin + n; ++edit) {
      block[static_cast<size_t>(edit->id) - begin] = edit->logit;
    }
    f(std::span<double>(block.data(), n));
  }
}

}  // namespace pellucid::sampling
