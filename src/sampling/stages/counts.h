// The tokens of a text with how often they are in it: what penalties are made from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "sampling/stage.h"

namespace pellucid::sampling {

/// (id, how often), ids ascending.
inline std::vector<std::pair<int32_t, int32_t>> counts_of(std::span<const int32_t> tokens) {
  std::vector<int32_t> sorted(tokens.begin(), tokens.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::pair<int32_t, int32_t>> counts;
  for (const int32_t id : sorted) {
    if (counts.empty() || counts.back().first != id) counts.emplace_back(id, 0);
    ++counts.back().second;
  }
  return counts;
}

/// new_logit(logit, count) for each token of `tokens` that isn't ruled out.
template <typename F>
Edits edit_counted(std::span<const int32_t> tokens, const LogitOf& logit, const F& new_logit) {
  Edits edits;
  for (const auto& [id, count] : counts_of(tokens)) {
    const double old = logit(id);
    if (old > kRuledOut) edits.changes.push_back({id, new_logit(old, count)});
  }
  return edits;
}

/// Rules out each token of `ids` (in any order) that isn't yet.
inline Edits rule_out(std::vector<int32_t> ids, const LogitOf& logit) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  Edits edits;
  for (const int32_t id : ids) {
    if (logit(id) > kRuledOut) edits.changes.push_back({id, kRuledOut});
  }
  return edits;
}

}  // namespace pellucid::sampling
