#include "sampling/watermark.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <utility>

#include "sampling/chain.h"

namespace pellucid::sampling {
namespace {

constexpr uint32_t kTableSize = 1'000'003;

/// The first n entries of torch's randperm() of `values`: entry i changes places with one of those from i on.
/// visit(i, j) for each exchange; false ends it.
template <typename Visit>
void shuffle(uint32_t seed, uint32_t n, uint32_t n_values, const Visit& visit) {
  std::mt19937 random(seed);
  for (uint32_t i = 0; i < std::min(n, n_values - 1); ++i) {
    if (!visit(i, i + static_cast<uint32_t>(random()) % (n_values - i))) return;
  }
}

/// 0 .. n_values - 1, the first n of them in their final places.
std::vector<int32_t> permutation(uint32_t seed, uint32_t n, uint32_t n_values) {
  std::vector<int32_t> values(n_values);
  std::iota(values.begin(), values.end(), 0);
  shuffle(seed, n, n_values, [&](uint32_t i, uint32_t j) {
    std::swap(values[i], values[j]);
    return true;
  });
  return values;
}

Error refused(std::string why) { return {ErrorCode::kUsage, "cannot score a watermark", std::move(why)}; }

/// Every n-gram of `tokens` once: (whether it counts, whether its last token is green).
void count(std::span<const int32_t> tokens, const GreenLists& lists, size_t before, bool ignore_repeated,
           WatermarkScore& score) {
  std::set<std::vector<int32_t>> seen;
  for (size_t i = before; i < tokens.size(); ++i) {
    const auto ngram = tokens.subspan(i - before, before + 1);
    const bool green = lists.is_green(ngram.first(before), ngram.back());
    score.marks[i] = green;
    if (ignore_repeated && !seen.emplace(ngram.begin(), ngram.end()).second) continue;
    ++score.scored;
    score.green += green ? 1 : 0;
  }
}

}  // namespace

std::vector<int32_t> watermark_table(int32_t key) {
  return permutation(static_cast<uint32_t>(key), kTableSize, kTableSize);
}

GreenLists::GreenLists(const Settings& settings, size_t vocabulary, std::span<const int32_t> table)
    : settings_(settings),
      vocabulary_(static_cast<uint32_t>(vocabulary)),
      size_(static_cast<uint32_t>(static_cast<double>(vocabulary) * settings.watermark_ratio)),
      table_(table) {
  if (!table.empty() || settings.watermark_scheme != WatermarkScheme::kSelfHash) return;
  made_ = watermark_table(settings.watermark_key);
  table_ = made_;
}

/// torch takes the low 32 bits of a seed.
uint32_t GreenLists::seed_after(int32_t last) const {
  return static_cast<uint32_t>(settings_.watermark_key) * static_cast<uint32_t>(last);
}

/// The least of the products of key, the token's entry and each entry of the window, which overflow as signed
/// numbers of 64 bits; modulo 2^64 - 1.
uint32_t GreenLists::seed_of(std::span<const int32_t> before, int32_t token) const {
  const auto entry = [this](int32_t id) {
    return static_cast<uint64_t>(table_[static_cast<uint32_t>(id) % kTableSize]) + 1;
  };
  const uint64_t own = static_cast<uint64_t>(settings_.watermark_key) * entry(token);
  auto least = static_cast<int64_t>(own * entry(token));
  const auto others = static_cast<size_t>(settings_.watermark_context - 1);
  for (const int32_t id : before.last(std::min(before.size(), others))) {
    least = std::min(least, static_cast<int64_t>(own * entry(id)));
  }
  return static_cast<uint32_t>(least) - (least < 0 ? 1 : 0);
}

std::vector<bool> GreenLists::after(int32_t last) const {
  std::vector<bool> green(vocabulary_);
  const std::vector<int32_t> order = permutation(seed_after(last), size_, vocabulary_);
  for (uint32_t i = 0; i < size_; ++i) green[static_cast<size_t>(order[i])] = true;
  return green;
}

/// Follows where the token goes, without the others.
bool GreenLists::in_list(uint32_t seed, int32_t token) const {
  auto place = static_cast<uint32_t>(token);
  shuffle(seed, size_, vocabulary_, [&](uint32_t i, uint32_t j) {
    if (place == j) {
      place = i;
      return false;  // it stays there
    }
    if (place == i) place = j;
    return true;
  });
  return place < size_;
}

bool GreenLists::is_green(std::span<const int32_t> before, int32_t token) const {
  const bool self = settings_.watermark_scheme == WatermarkScheme::kSelfHash;
  return in_list(self ? seed_of(before, token) : seed_after(before.back()), token);
}

size_t watermark_prefix(const Settings& settings) {
  const bool self = settings.watermark_scheme == WatermarkScheme::kSelfHash;
  return static_cast<size_t>(settings.watermark_context) - (self ? 1 : 0);
}

Result<WatermarkScore> score_watermark(std::span<const int32_t> tokens, const Settings& settings,
                                       size_t vocabulary, bool ignore_repeated) {
  PELLUCID_CHECK(check_for(settings, vocabulary));
  if (vocabulary == 0 || vocabulary > std::numeric_limits<int32_t>::max()) {
    return refused(fmt::format("there is no vocabulary of {} tokens", vocabulary));
  }
  const size_t before = watermark_prefix(settings);
  if (tokens.size() <= before) {
    return refused(fmt::format("the text has {} {}, and the first {} are not scored", tokens.size(),
                               tokens.size() == 1 ? "token" : "tokens", before));
  }
  for (const int32_t id : tokens) {
    if (id >= 0 && static_cast<size_t>(id) < vocabulary) continue;
    return refused(fmt::format("there is no token {}: the vocabulary has {}", id, vocabulary));
  }
  WatermarkScore score;
  score.marks.resize(tokens.size());
  count(tokens, GreenLists(settings, vocabulary), before, ignore_repeated, score);
  const auto n = static_cast<double>(score.scored);
  const double ratio = settings.watermark_ratio;
  score.z = (static_cast<double>(score.green) - ratio * n) / std::sqrt(n * ratio * (1 - ratio));
  score.p = std::erfc(score.z / std::sqrt(2.0)) / 2;
  return score;
}

}  // namespace pellucid::sampling
