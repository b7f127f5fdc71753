#include "sampling/select.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <limits>
#include <utility>

namespace pellucid::sampling {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr size_t kMaxVocabulary = std::numeric_limits<int32_t>::max();

// A block is scanned for its maximum in kLanes independent lanes, which the compiler turns into vectors.
constexpr size_t kLanes = 16;
constexpr size_t kBlock = 256;

struct Block {
  float maximum = kMinusInfinity;
  bool holds_masked = false;   // some logit is -inf
  bool holds_invalid = false;  // some logit is NaN or +inf
};

Block scan_full_block(const float* row) {
  std::array<float, kLanes> maximum{};
  std::array<float, kLanes> minimum{};
  std::array<int32_t, kLanes> invalid{};
  maximum.fill(kMinusInfinity);
  for (size_t i = 0; i < kBlock; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float x = row[i + lane];
      maximum[lane] = x > maximum[lane] ? x : maximum[lane];
      minimum[lane] = x < minimum[lane] ? x : minimum[lane];
      invalid[lane] |= x <= std::numeric_limits<float>::max() ? 0 : -1;
    }
  }
  Block block;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    block.maximum = std::max(block.maximum, maximum[lane]);
    block.holds_masked |= minimum[lane] == kMinusInfinity;
    block.holds_invalid |= invalid[lane] != 0;
  }
  return block;
}

Block scan_block(std::span<const float> row) {
  if (row.size() == kBlock) return scan_full_block(row.data());
  Block block;
  for (const float x : row) {
    block.maximum = x > block.maximum ? x : block.maximum;
    block.holds_masked |= x == kMinusInfinity;
    block.holds_invalid |= !(x <= std::numeric_limits<float>::max());
  }
  return block;
}

/// The row cut into blocks, and the maximum of each.
struct Scan {
  std::vector<float> maxima;
  size_t available = 0;
};

std::span<const float> block_of(std::span<const float> row, size_t index) {
  const size_t begin = index * kBlock;
  return row.subspan(begin, std::min(kBlock, row.size() - begin));
}

Error invalid_logit(std::span<const float> row) {
  const auto bad =
      std::find_if(row.begin(), row.end(), [](float x) { return !(x <= std::numeric_limits<float>::max()); });
  return {ErrorCode::kNumeric, "cannot sample",
          fmt::format("the logit of token {} is {}", bad - row.begin(), *bad != *bad ? "NaN" : "+infinity")};
}

Result<Scan> scan_row(std::span<const float> row) {
  Scan scan;
  scan.maxima.resize((row.size() + kBlock - 1) / kBlock);
  scan.available = row.size();
  for (size_t i = 0; i < scan.maxima.size(); ++i) {
    const std::span<const float> part = block_of(row, i);
    const Block block = scan_block(part);
    if (block.holds_invalid) return invalid_logit(row);
    if (block.holds_masked)
      scan.available -= static_cast<size_t>(std::count(part.begin(), part.end(), kMinusInfinity));
    scan.maxima[i] = block.maximum;
  }
  return scan;
}

/// A logit that at least `count` logits of the row reach, if there are as many blocks: the count-th largest
/// of the blocks' maxima. -inf where there are fewer blocks.
float reached_by(const std::vector<float>& maxima, size_t count) {
  if (count > maxima.size()) return kMinusInfinity;
  std::vector<float> best(maxima.begin(), maxima.begin() + static_cast<ptrdiff_t>(count));
  std::make_heap(best.begin(), best.end(), std::greater<>());  // the smallest of the best on top
  for (size_t i = count; i < maxima.size(); ++i) {
    if (maxima[i] <= best.front()) continue;
    std::pop_heap(best.begin(), best.end(), std::greater<>());
    best.back() = maxima[i];
    std::push_heap(best.begin(), best.end(), std::greater<>());
  }
  return best.front();
}

/// The order key as one number: ascending keys are logits descending, then ids ascending. A float's bits
/// order like integers once negative ones are flipped; -0 is made equal to +0.
uint64_t order_key(float logit, size_t id) {
  const auto bits = std::bit_cast<uint32_t>(logit + 0.0F);
  const uint32_t ascending = (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
  return uint64_t{~ascending} << 32 | id;
}

/// Sorts by the upper 32 bits; equal ones keep their place. Three passes of 11 bits: faster than comparing
/// from some thousand elements on.
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
  constexpr size_t kRadixPays = 4096;
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

/// Keys of all logits that are at least `floor` and not -inf, in ascending order of id.
std::vector<uint64_t> keys_from(std::span<const float> row, const Scan& scan, float floor) {
  std::vector<uint64_t> keys;
  if (floor == kMinusInfinity) keys.reserve(scan.available);
  for (size_t block = 0; block < scan.maxima.size(); ++block) {
    if (scan.maxima[block] < floor) continue;
    const std::span<const float> part = block_of(row, block);
    for (size_t i = 0; i < part.size(); ++i) {
      if (part[i] >= floor && part[i] != kMinusInfinity)
        keys.push_back(order_key(part[i], block * kBlock + i));
    }
  }
  return keys;
}

}  // namespace

Result<Selection> select_best(std::span<const float> row, size_t limit) {
  if (row.empty()) return Error{ErrorCode::kNumeric, "cannot sample", "there are no logits"};
  if (row.size() > kMaxVocabulary) {
    return Error{ErrorCode::kLimit, "cannot sample", fmt::format("{} logits are too many", row.size())};
  }
  PELLUCID_TRY(const Scan scan, scan_row(row));
  if (scan.available == 0) return Error{ErrorCode::kNumeric, "cannot sample", "all logits are -infinity"};

  const size_t count = limit == 0 ? scan.available : std::min(limit, scan.available);
  std::vector<uint64_t> keys = keys_from(row, scan, reached_by(scan.maxima, count));
  sort_keys(keys, count);

  Selection selection;
  selection.available = scan.available;
  selection.ids.reserve(count);
  selection.logits.reserve(count);
  for (const uint64_t key : keys) {
    const auto id = static_cast<uint32_t>(key);
    selection.ids.push_back(static_cast<int32_t>(id));
    selection.logits.push_back(row[id]);
  }
  return selection;
}

}  // namespace pellucid::sampling
