#include "sampling/row.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include "sampling/parts.h"

namespace pellucid::sampling {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr size_t kMaxVocabulary = std::numeric_limits<int32_t>::max();

std::span<const float> block_of(std::span<const float> row, size_t index) {
  const size_t begin = index * kBlock;
  return row.subspan(begin, std::min(kBlock, row.size() - begin));
}

bool is_invalid(float logit) { return !(logit <= std::numeric_limits<float>::max()); }

Error invalid_logit(std::span<const float> row) {
  const auto bad = std::find_if(row.begin(), row.end(), is_invalid);
  return {ErrorCode::kNumeric, "cannot sample",
          fmt::format("the logit of token {} is {}", bad - row.begin(), *bad != *bad ? "NaN" : "+infinity")};
}

/// A logit that at least `count` logits of the row reach, if there are as many blocks whose best is not -inf,
/// and not many more blocks: found by halving. Else -inf.
float reached_by(const std::vector<float>& maxima, size_t count) {
  const auto reaching = [&maxima](float floor) {
    size_t n = 0;
    for (const float maximum : maxima) n += maximum >= floor ? 1 : 0;
    return n;
  };
  if (count == 0) return std::numeric_limits<float>::infinity();
  float low = std::numeric_limits<float>::lowest();
  if (reaching(low) < count) return kMinusInfinity;
  low = std::numeric_limits<float>::infinity();
  for (const float maximum : maxima) low = maximum == kMinusInfinity ? low : std::min(low, maximum);
  float high = *std::max_element(maxima.begin(), maxima.end());
  for (int step = 0; step < 16; ++step) {
    const float middle = low / 2 + high / 2;
    const size_t n = reaching(middle);
    (n >= count ? low : high) = middle;
    if (n >= count && n <= count + count / 8) break;
  }
  return low;
}

/// The order key as one number: ascending keys are logits descending, then ids ascending. A float's bits
/// order like integers once negative ones are flipped; -0 is made equal to +0.
uint64_t order_key(float logit, size_t id) {
  const auto bits = std::bit_cast<uint32_t>(logit + 0.0F);
  const uint32_t ascending = (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
  return uint64_t{~ascending} << 32 | id;
}

/// The logit of a key; +0 where it was -0.
float logit_of(uint64_t key) {
  const auto ascending = ~static_cast<uint32_t>(key >> 32);
  return std::bit_cast<float>((ascending >> 31) != 0 ? ascending & 0x7FFFFFFFU : ~ascending);
}

/// Sorts by the upper 32 bits; equal ones keep their place. Three passes of 11 bits: faster than comparing
/// from some hundred elements on.
void radix_sort_by_logit(std::vector<uint64_t>& keys) {
  constexpr int kDigitBits = 11;
  constexpr size_t kDigits = size_t{1} << kDigitBits;
  std::vector<uint64_t> other(keys.size());
  for (int shift = 32; shift < 64; shift += kDigitBits) {
    std::array<size_t, kDigits + 1> start{};
    for (const uint64_t key : keys) ++start[(key >> shift & (kDigits - 1)) + 1];
    for (size_t digit = 1; digit <= kDigits; ++digit) start[digit] += start[digit - 1];
    for (const uint64_t key : keys) other[start[key >> shift & (kDigits - 1)]++] = key;
    keys.swap(other);
  }
}

/// The first `limit` keys in order. Keys come in ascending order of id.
void sort_keys(std::vector<uint64_t>& keys, size_t limit) {
  constexpr size_t kRadixPays = 768;
  if (limit < keys.size()) {
    std::nth_element(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(limit), keys.end());
    keys.resize(limit);
    std::sort(keys.begin(), keys.end());
  } else if (keys.size() < kRadixPays) {
    std::sort(keys.begin(), keys.end());
  } else {
    radix_sort_by_logit(keys);
  }
}

}  // namespace

float rounded_down(double x) {
  const auto nearest = static_cast<float>(x);
  return static_cast<double>(nearest) > x ? std::nextafter(nearest, kMinusInfinity) : nearest;
}

Result<Row> Row::from(std::span<const float> logits, ThreadPool* threads) {
  if (logits.empty()) return Error{ErrorCode::kNumeric, "cannot sample", "there are no logits"};
  if (logits.size() > kMaxVocabulary) {
    return Error{ErrorCode::kLimit, "cannot sample", fmt::format("{} logits are too many", logits.size())};
  }
  Row row;
  row.logits_ = logits;
  row.threads_ = threads;
  PELLUCID_CHECK(row.scan());
  if (row.standing_ == 0) return Error{ErrorCode::kNumeric, "cannot sample", "all logits are -infinity"};
  return row;
}

Result<Row> Row::owning(std::vector<float> logits, ThreadPool* threads) {
  PELLUCID_TRY(Row row, from(logits, threads));
  row.own_ = std::move(logits);  // and with it the memory that the row views
  return row;
}

Result<void> Row::scan() {
  maxima_.resize((logits_.size() + kBlock - 1) / kBlock);
  standing_ = logits_.size();
  const auto part = [this](size_t begin, size_t end) {
    const size_t n_blocks = (end - begin + kBlock - 1) / kBlock;
    const auto maxima = std::span(maxima_).subspan(begin / kBlock, n_blocks);
    // No bool: threads write these, and those of a vector share bytes.
    return static_cast<char>(sampling::scan(logits_.subspan(begin, end - begin), maxima));
  };
  const auto finite = of_parts(logits_.size(), threads_, part);
  if (std::ranges::find(finite, char{false}) == finite.end()) return {};
  if (std::any_of(logits_.begin(), logits_.end(), is_invalid)) return invalid_logit(logits_);
  standing_ -= static_cast<size_t>(std::count(logits_.begin(), logits_.end(), kMinusInfinity));
  return {};
}

std::vector<Edit>::const_iterator Row::edits_from(size_t id) const {
  const auto before = [](const Edit& edit, size_t wanted) { return static_cast<size_t>(edit.id) < wanted; };
  return std::lower_bound(edits_.begin(), edits_.end(), id, before);
}

bool Row::edited(int32_t id) const {
  const auto found = edits_from(static_cast<size_t>(id));
  return found != edits_.end() && found->id == id;
}

double Row::logit(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= logits_.size()) return kMinusInfinity;
  const auto found = edits_from(static_cast<size_t>(id));
  if (found != edits_.end() && found->id == id) return found->logit;
  return logits_[static_cast<size_t>(id)];
}

void Row::apply(const Edits& edits) {
  if (edits.restricts) keep_only(edits.only);
  if (!edits.changes.empty()) change(edits.changes);
}

void Row::keep_only(std::span<const uint32_t> only) {
  std::vector<float> masked(logits_.size(), kMinusInfinity);
  for (size_t word = 0; word < only.size(); ++word) {
    for (uint32_t bits = only[word]; bits != 0; bits &= bits - 1) {
      const size_t id = word * 32 + static_cast<size_t>(std::countr_zero(bits));
      if (id < masked.size()) masked[id] = logits_[id];
    }
  }
  std::erase_if(edits_, [&](const Edit& edit) { return !contains(only, static_cast<size_t>(edit.id)); });
  own_ = std::move(masked);
  logits_ = own_;
  sampling::scan(logits_, maxima_);
  rescan_edited_blocks();
  standing_ =
      static_cast<size_t>(std::ranges::count_if(logits_, [](float x) { return x != kMinusInfinity; }));
  for (const Edit& edit : edits_) {
    standing_ += edit.logit != kMinusInfinity ? 1 : 0;
    standing_ -= logits_[static_cast<size_t>(edit.id)] != kMinusInfinity ? 1 : 0;
  }
}

void Row::change(std::span<const Edit> changes) {
  std::vector<Edit> merged;
  merged.reserve(edits_.size() + changes.size());
  auto old = edits_.begin();
  for (const Edit& edit : changes) {
    if (edit.id < 0 || static_cast<size_t>(edit.id) >= logits_.size()) continue;
    const bool stood = logit(edit.id) != kMinusInfinity;
    const bool stands = edit.logit != kMinusInfinity;
    standing_ = standing_ - (stood ? 1 : 0) + (stands ? 1 : 0);
    while (old != edits_.end() && old->id < edit.id) merged.push_back(*old++);
    if (old != edits_.end() && old->id == edit.id) ++old;
    merged.push_back(edit);
  }
  merged.insert(merged.end(), old, edits_.end());
  edits_ = std::move(merged);
  rescan_edited_blocks();
}

/// Calls f(index, logits) for each block of the tokens [begin, end) that holds an edited logit; those are
/// -inf in it.
template <typename F>
void Row::for_each_edited_block(size_t begin, size_t end, const F& f) const {
  const auto last = edits_from(end);
  for (auto edit = edits_from(begin); edit != last;) {
    const size_t block = static_cast<size_t>(edit->id) / kBlock;
    const std::span<const float> part = block_of(logits_, block);
    std::array<float, kBlock> plain{};
    std::copy(part.begin(), part.end(), plain.begin());
    for (; edit != last && static_cast<size_t>(edit->id) / kBlock == block; ++edit) {
      plain[static_cast<size_t>(edit->id) % kBlock] = kMinusInfinity;
    }
    f(block, std::span<const float>(plain.data(), part.size()));
  }
}

void Row::rescan_edited_blocks() {
  for_each_edited_block(0, logits_.size(), [this](size_t block, std::span<const float> plain) {
    sampling::scan(plain, std::span(maxima_).subspan(block, 1));
  });
}

double Row::rough_weight(float limit, float scale) const {
  const auto sums = of_parts(logits_.size(), threads_, [&](size_t begin, size_t end) {
    return rough_weight(begin, end, limit, scale);
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// Of the tokens [begin, end).
double Row::rough_weight(size_t begin, size_t end, float limit, float scale) const {
  double sum = 0;
  for_each_edited_block(begin, end, [&](size_t block, std::span<const float> plain) {
    const size_t first = block * kBlock;
    sum += sampling::rough_weight(logits_.subspan(begin, first - begin), limit, scale);
    sum += sampling::rough_weight(plain, limit, scale);
    begin = first + plain.size();
  });
  return sum + sampling::rough_weight(logits_.subspan(begin, end - begin), limit, scale);
}

double Row::highest() const {
  double highest = *std::max_element(maxima_.begin(), maxima_.end());
  for (const Edit& edit : edits_) highest = std::max(highest, edit.logit);
  return highest;
}

std::vector<Edit> Row::edited_and_standing() const {
  std::vector<Edit> standing;
  std::copy_if(edits_.begin(), edits_.end(), std::back_inserter(standing),
               [](const Edit& edit) { return edit.logit != kMinusInfinity; });
  std::sort(standing.begin(), standing.end(), better);
  return standing;
}

/// Keys of all logits that are at least `floor`, not -inf and not edited, in ascending order of id.
std::vector<uint64_t> Row::keys_from(float floor) const {
  const auto keys_of = [&](size_t begin, size_t end) {
    std::vector<uint64_t> keys;
    for (size_t block = begin / kBlock; block * kBlock < end; ++block) {
      if (maxima_[block] < floor) continue;
      const std::span<const float> part = block_of(logits_, block);
      const Places places = reaching(part, floor);
      for (const uint8_t i : places.all()) keys.push_back(order_key(part[i], block * kBlock + i));
    }
    return keys;
  };
  const auto parts = of_parts(logits_.size(), threads_, keys_of);
  std::vector<uint64_t> keys;
  for (const std::vector<uint64_t>& part : parts) keys.insert(keys.end(), part.begin(), part.end());
  if (!edits_.empty()) {
    std::erase_if(keys,
                  [this](uint64_t key) { return edited(static_cast<int32_t>(static_cast<uint32_t>(key))); });
  }
  return keys;
}

/// The tokens of the keys, which are in order, and all edited ones.
Selection Row::merged(const std::vector<uint64_t>& keys) const {
  const std::vector<Edit> edited = edited_and_standing();
  Selection selection;
  selection.ids.reserve(keys.size() + edited.size());
  selection.logits.reserve(keys.size() + edited.size());
  auto next = edited.begin();
  const auto take = [&](const Edit& one) {
    selection.ids.push_back(one.id);
    selection.logits.push_back(one.logit);
  };
  for (const uint64_t key : keys) {
    const Edit plain{static_cast<int32_t>(static_cast<uint32_t>(key)), static_cast<double>(logit_of(key))};
    while (next != edited.end() && better(*next, plain)) take(*next++);
    take(plain);
  }
  while (next != edited.end()) take(*next++);
  return selection;
}

Selection Row::select(const Enough& enough) const {
  const size_t n_edited = edited_and_standing().size();
  const size_t count = enough.best == 0 ? standing_ : std::min(enough.best, standing_);
  const size_t plain = std::min(count, standing_ - n_edited);
  float floor = reached_by(maxima_, plain);
  if (std::isfinite(enough.below)) {
    const double best = highest();
    const double rounding = 1e-12 * std::abs(best);  // of what the stages compute in between
    floor = std::max(floor, rounded_down(best - enough.below - rounding));
  }
  std::vector<uint64_t> keys = keys_from(floor);
  sort_keys(keys, plain);
  Selection selection = merged(keys);
  if (enough.ties && count < standing_) {
    const double last = selection.logits[count - 1];
    keys = keys_from(rounded_down(last));
    sort_keys(keys, keys.size());
    return merged(keys);
  }
  if (selection.ids.size() > count) {
    selection.ids.resize(count);
    selection.logits.resize(count);
  }
  return selection;
}

}  // namespace pellucid::sampling
