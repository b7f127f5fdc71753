// Every stage a second time, as its paper or its first implementation defines it: plain loops in extended
// precision over unsorted tokens, no code shared with src/sampling.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "sampling/context.h"
#include "sampling/settings.h"

namespace pellucid::sampling::textbook {

using Real = long double;

struct Token {
  int32_t id;
  Real logit;
};
using Tokens = std::vector<Token>;  // in order of id

inline Tokens tokens_of(const std::vector<float>& logits) {
  Tokens tokens;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!std::isinf(logits[id])) tokens.push_back({static_cast<int32_t>(id), logits[id]});
  }
  return tokens;
}

inline std::vector<Real> softmax(const Tokens& tokens) {
  Real best = tokens.front().logit;
  for (const Token& token : tokens) best = std::max(best, token.logit);
  std::vector<Real> p;
  for (const Token& token : tokens) p.push_back(std::exp(token.logit - best));
  const Real total = std::accumulate(p.begin(), p.end(), Real{0});
  for (Real& x : p) x /= total;
  return p;
}

inline Real entropy(const std::vector<Real>& p) {
  Real sum = 0;
  for (const Real x : p) sum -= x > 0 ? x * std::log(x) : 0;
  return sum;
}

/// Indices, likeliest first, lower ids first of equal ones.
inline std::vector<size_t> ranked(const Tokens& tokens) {
  std::vector<size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return tokens[a].logit > tokens[b].logit; });
  return order;
}

template <typename Keep>
Tokens filtered(const Tokens& tokens, const Keep& keep) {
  Tokens kept;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (keep(i)) kept.push_back(tokens[i]);
  }
  return kept;
}

/// Those of at least this probability, as far as a double tells, and always the best and its equals.
inline Tokens at_least(const Tokens& tokens, Real threshold) {
  const std::vector<Real> p = softmax(tokens);
  const Real best = tokens[ranked(tokens)[0]].logit;
  return filtered(tokens, [&](size_t i) {
    return static_cast<double>(p[i]) >= static_cast<double>(threshold) || tokens[i].logit == best;
  });
}

inline Tokens typical(const Tokens& tokens, double mass) {
  const std::vector<Real> p = softmax(tokens);
  const Real h = entropy(p);
  const auto off = [&](size_t i) { return std::abs(-std::log(p[i]) - h); };
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return off(a) < off(b); });
  Real sum = 0;
  Real last = 0;
  for (const size_t i : order) {
    last = off(i);
    sum += p[i];
    if (sum >= mass - 1e-6L) break;
  }
  return filtered(tokens, [&](size_t i) { return off(i) <= last + 1e-13L; });
}

inline Tokens top_h(const Tokens& tokens, double share) {
  const std::vector<size_t> order = ranked(tokens);
  std::set<size_t> looked_at(order.begin(),
                             order.begin() + static_cast<long>(std::min<size_t>(100, order.size())));
  const Tokens best = filtered(tokens, [&](size_t i) { return looked_at.contains(i); });
  const std::vector<Real> q = softmax(best);
  const Real h = entropy(q);
  std::set<size_t> kept;
  Real sum = 0;
  for (const size_t i : ranked(best)) {
    sum += q[i] > 0 ? -q[i] * std::log(q[i]) : 0;
    if (!kept.empty() && sum > share * h + 1e-14L) break;
    kept.insert(i);
  }
  return filtered(best, [&](size_t i) { return kept.contains(i); });
}

inline Tokens top_n_sigma(const Tokens& tokens, double n) {
  Real mean = 0;
  Real best = tokens[0].logit;
  for (const Token& token : tokens) {
    mean += token.logit / static_cast<Real>(tokens.size());
    best = std::max(best, token.logit);
  }
  Real variance = 0;
  for (const Token& token : tokens) {
    variance += (token.logit - mean) * (token.logit - mean) / static_cast<Real>(tokens.size());
  }
  return filtered(tokens, [&](size_t i) { return tokens[i].logit >= best - n * std::sqrt(variance); });
}

inline Tokens xtc(const Tokens& tokens, double probability, double threshold, double coin) {
  const std::vector<Real> p = softmax(tokens);
  std::vector<size_t> likely;
  for (const size_t i : ranked(tokens)) {
    if (static_cast<double>(p[i]) >= threshold) likely.push_back(i);
  }
  if (coin >= probability || likely.size() < 2) return tokens;
  likely.pop_back();
  return filtered(tokens,
                  [&](size_t i) { return std::find(likely.begin(), likely.end(), i) == likely.end(); });
}

inline Tokens first_k(const Tokens& tokens, size_t k) {
  const std::vector<size_t> order = ranked(tokens);
  std::set<size_t> kept(order.begin(),
                        order.begin() + static_cast<long>(std::clamp<size_t>(k, 1, order.size())));
  return filtered(tokens, [&](size_t i) { return kept.contains(i); });
}

inline Tokens mirostat_1(const Tokens& tokens, double mu) {
  const std::vector<Real> p = softmax(tokens);
  const std::vector<size_t> order = ranked(tokens);
  Real products = 0;
  Real squares = 0;
  for (size_t i = 0; i + 1 < std::min<size_t>(100, p.size()); ++i) {
    const Real t = std::log(static_cast<Real>(i + 2) / static_cast<Real>(i + 1));
    products += t * std::log(p[order[i]] / p[order[i + 1]]);
    squares += t * t;
  }
  const Real s = products / squares;
  const Real epsilon = s - 1;
  const Real n = static_cast<Real>(p.size());
  const Real k = std::pow(epsilon * std::pow(Real{2}, mu) / (1 - std::pow(n, -epsilon)), 1 / s);
  return first_k(tokens, k >= n ? p.size() : static_cast<size_t>(k));
}

inline Tokens mirostat_2(const Tokens& tokens, double mu) {
  const std::vector<Real> p = softmax(tokens);
  size_t kept = 0;
  for (const size_t i : ranked(tokens)) {
    if (-std::log2(p[i]) > mu) break;
    ++kept;
  }
  return first_k(tokens, kept);
}

inline Tokens adaptive(const Tokens& tokens, const Settings& s, const State& state) {
  const Real sum = state.adaptive_sum.value_or(s.adaptive_target / (1 - s.adaptive_decay));
  const Real weight = state.adaptive_weight.value_or(1 / (1 - s.adaptive_decay));
  const Real target = std::clamp<Real>(2 * Real{s.adaptive_target} - sum / weight, 0, 1);
  const std::vector<Real> p = softmax(tokens);
  Tokens result = tokens;
  for (size_t i = 0; i < p.size(); ++i) {
    const Real d = std::abs(p[i] - target) / 0.3L;
    result[i].logit = 5 - 10 * d * d / (1 + d);
  }
  return result;
}

inline Tokens divided(Tokens tokens, Real by) {
  for (Token& token : tokens) token.logit /= by;
  return tokens;
}

inline Tokens dynamic_temperature(const Tokens& tokens, const Settings& s) {
  if (tokens.size() < 2) return tokens;
  const Real low = std::max(0.0, s.temperature - s.dynatemp_range);
  const Real high = s.temperature + s.dynatemp_range;
  const Real share = entropy(softmax(tokens)) / std::log(static_cast<Real>(tokens.size()));
  return divided(tokens, std::max(1e-9L, low + (high - low) * std::pow(share, Real{s.dynatemp_exponent})));
}

using Text = std::vector<int32_t>;

inline Text last_of(const Text& text, int32_t n) {
  if (n < 0 || static_cast<size_t>(n) >= text.size()) return text;
  return {text.end() - n, text.end()};
}

template <typename Change>
Tokens penalised(Tokens tokens, const Text& text, const Change& change) {
  for (Token& token : tokens) {
    const auto count = std::count(text.begin(), text.end(), token.id);
    if (count > 0) token.logit = change(token.logit, static_cast<Real>(count));
  }
  return tokens;
}

inline Tokens no_repeat_ngram(const Tokens& tokens, const Text& text, size_t n) {
  return filtered(tokens, [&](size_t i) {
    Text longer = text;
    longer.push_back(tokens[i].id);
    if (longer.size() < n) return true;
    const Text tail(longer.end() - static_cast<long>(n), longer.end());
    return std::search(text.begin(), text.end(), tail.begin(), tail.end()) == text.end();
  });
}

/// How long the text's end, with `id` after it, is repeated earlier: not counting id, not across breakers.
inline size_t repetition(const Text& text, int32_t id, const std::set<int32_t>& breakers) {
  size_t longest = 0;
  for (size_t at = 1; at < text.size(); ++at) {
    if (text[at] != id) continue;
    size_t length = 0;
    while (length < at && text[at - 1 - length] == text[text.size() - 1 - length] &&
           !breakers.contains(text[at - 1 - length]))
      ++length;
    longest = std::max(longest, length);
  }
  return longest;
}

inline Tokens dry(Tokens tokens, const Text& text, const Settings& s, const std::set<int32_t>& breakers) {
  for (Token& token : tokens) {
    const size_t length = repetition(text, token.id, breakers);
    if (breakers.contains(token.id) || length < static_cast<size_t>(s.dry_allowed_length)) continue;
    token.logit -=
        s.dry_multiplier *
        std::pow(Real{s.dry_base}, static_cast<Real>(length - static_cast<size_t>(s.dry_allowed_length)));
  }
  return tokens;
}

}  // namespace pellucid::sampling::textbook
