// What each stage makes of a row, from the textbook: a new stage does not compile until it has a line here.
#pragma once

#include <set>
#include <vector>

#include "sampling/textbook.h"
#include "sampling/watermark.h"

namespace pellucid::sampling::textbook {

inline Tokens without(const Tokens& tokens, const std::vector<int32_t>& banned) {
  const std::set<int32_t> ids(banned.begin(), banned.end());
  return filtered(tokens, [&](size_t i) { return !ids.contains(tokens[i].id); });
}

inline Tokens only(const Tokens& tokens, const std::vector<int32_t>& allowed) {
  const std::set<int32_t> ids(allowed.begin(), allowed.end());
  return filtered(tokens, [&](size_t i) { return ids.contains(tokens[i].id); });
}

/// Whoever has gone.
inline Tokens forced(const Tokens& tokens, int32_t id) {
  const Tokens here = only(tokens, {id});
  return here.empty() ? Tokens{{id, 0}} : here;
}

inline Text output_of(const Context& context) { return {context.output().begin(), context.output().end()}; }

inline Tokens top_p(const Tokens& tokens, double mass) {
  const std::vector<Real> p = softmax(tokens);
  Real sum = 0;
  size_t kept = 0;
  for (const size_t i : ranked(tokens)) {
    if (kept > 0 && sum >= mass - 1e-6L) break;
    sum += p[i];
    ++kept;
  }
  return first_k(tokens, kept);
}

/// Sequences: the last token of one counts where the others end the text. `effect` is told of each.
template <typename Effect>
void each_that_applies(const std::vector<TokenIds>& sequences, const Text& text, const Effect& effect) {
  for (size_t k = 0; k < sequences.size(); ++k) {
    const Text before(sequences[k].begin(), sequences[k].end() - 1);
    if (before.size() > text.size()) continue;
    if (std::equal(before.begin(), before.end(), text.end() - static_cast<long>(before.size()))) effect(k);
  }
}

inline Tokens bad_words(const Tokens& tokens, const Text& text, const std::vector<TokenIds>& sequences) {
  std::vector<int32_t> banned;
  each_that_applies(sequences, text, [&](size_t k) { banned.push_back(sequences[k].back()); });
  return without(tokens, banned);
}

inline Tokens logit_bias(Tokens tokens, const Text& text, const std::vector<SequenceBias>& biases) {
  std::vector<TokenIds> sequences;
  for (const SequenceBias& one : biases) sequences.push_back(one.ids);
  each_that_applies(sequences, text, [&](size_t k) {
    for (Token& token : tokens) token.logit += token.id == sequences[k].back() ? biases[k].bias : 0;
  });
  return filtered(tokens, [&](size_t i) { return !std::isinf(tokens[i].logit); });
}

inline Tokens greener(Tokens tokens, const Text& text, const Settings& s, size_t vocabulary) {
  const GreenLists lists(s, vocabulary);
  for (Token& token : tokens) token.logit += lists.is_green(text, token.id) ? s.watermark_bias : 0;
  return tokens;
}

inline Tokens length_decay(const Tokens& tokens, size_t length, const Settings& s, const Text& ends) {
  if (length <= static_cast<size_t>(s.length_decay_start)) return tokens;
  const Real factor = std::pow(Real{s.length_decay_factor}, static_cast<Real>(length) - s.length_decay_start);
  return penalised(tokens, ends, [&](Real x, Real) { return x + std::abs(x) * (factor - 1); });
}

/// Both have all tokens, by id.
inline Tokens guided(Tokens tokens, const Tokens& unconditional, Real scale) {
  const std::vector<Real> c = softmax(tokens);
  const std::vector<Real> u = softmax(unconditional);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i].logit = std::log(u[i]) + scale * (std::log(c[i]) - std::log(u[i]));
  }
  return tokens;
}

/// All of a step: `allowed` is what its structure allows, `coin` XTC's number.
struct Given {
  const Settings& settings;
  const Context& context;
  const State& state;
  std::vector<int32_t> allowed;
  double coin;
  size_t vocabulary;
};

/// Who is left of `t` after one stage, with which logits.
inline Tokens after_stage(StageId id, const Tokens& t, const Given& given) {
  const Settings& s = given.settings;
  const Text all(given.context.tokens.begin(), given.context.tokens.end());
  const Text output = output_of(given.context);
  const Text ends(given.context.end_ids.begin(), given.context.end_ids.end());
  const auto text = [&](Scope scope, int32_t n) { return last_of(scope == Scope::kAll ? all : output, n); };
  const std::vector<Real> p = softmax(t);
  const Real best = *std::max_element(p.begin(), p.end());
  switch (id) {
    case StageId::kGuidance:
      return guided(t, tokens_of({given.context.unconditional.begin(), given.context.unconditional.end()}),
                    s.guidance_scale);
    case StageId::kPhraseBan:
      return without(t, {given.context.banned.begin(), given.context.banned.end()});
    case StageId::kLogitBias:
      return logit_bias(t, all, s.logit_bias);
    case StageId::kBadWords:
      return bad_words(t, all, s.bad_words);
    case StageId::kAllowedTokens:
      return only(t, s.allowed_tokens);
    case StageId::kSuppressTokens:
      return without(t, s.suppress_tokens);
    case StageId::kBeginSuppressTokens:
      return output.empty() ? without(t, s.begin_suppress_tokens) : t;
    case StageId::kForcedTokens:
      return output.size() < s.forced_tokens.size() ? forced(t, s.forced_tokens[output.size()]) : t;
    case StageId::kMinNewTokens:
      return output.size() < static_cast<size_t>(s.min_new_tokens) ||
                     all.size() < static_cast<size_t>(s.min_length)
                 ? without(t, ends)
                 : t;
    case StageId::kGrammar:
      return only(t, given.allowed);
    case StageId::kRepetitionPenalty:
      return penalised(t, text(s.repetition_scope, s.repetition_last_n), [&](Real x, Real) {
        return x < 0 ? x * s.repetition_penalty : x / s.repetition_penalty;
      });
    case StageId::kFrequencyPenalty:
      return penalised(t, text(s.penalty_scope, s.penalty_last_n),
                       [&](Real x, Real count) { return x - s.frequency_penalty * count; });
    case StageId::kPresencePenalty:
      return penalised(t, text(s.penalty_scope, s.penalty_last_n),
                       [&](Real x, Real) { return x - s.presence_penalty; });
    case StageId::kNoRepeatNgram:
      return no_repeat_ngram(t, all, static_cast<size_t>(s.no_repeat_ngram_size));
    case StageId::kDry:
      return dry(t, last_of(all, s.dry_last_n), s, {});
    case StageId::kLengthDecay:
      return length_decay(t, output.size(), s, ends);
    case StageId::kTemperature:
      return divided(t, s.temperature);
    case StageId::kDynamicTemperature:
      return dynamic_temperature(t, s);
    case StageId::kTopK:
      return first_k(t, static_cast<size_t>(s.top_k));
    case StageId::kTopP:
      return top_p(t, s.top_p);
    case StageId::kMinP:
      return at_least(t, s.min_p * best);
    case StageId::kTypicalP:
      return typical(t, s.typical_p);
    case StageId::kEpsilonCutoff:
      return at_least(t, s.epsilon_cutoff);
    case StageId::kEtaCutoff: {
      const Real eta = s.eta_cutoff;
      return at_least(t, std::min(eta, std::sqrt(eta) * std::exp(-entropy(p))));
    }
    case StageId::kTopH:
      return top_h(t, s.top_h);
    case StageId::kTopNSigma:
      return top_n_sigma(t, s.top_n_sigma);
    case StageId::kTopA:
      return at_least(t, s.top_a * best * best);
    case StageId::kXtc:
      return xtc(t, s.xtc_probability, s.xtc_threshold, given.coin);
    case StageId::kMirostat:
      return mirostat_2(t, given.state.mirostat_mu.value_or(2 * s.mirostat_tau));
    case StageId::kAdaptiveP:
      return adaptive(t, s, given.state);
    case StageId::kWatermark:
      return greener(t, all, s, given.vocabulary);
  }
  return t;
}

}  // namespace pellucid::sampling::textbook
