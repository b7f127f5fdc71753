// Settings that turn each stage on, for tests and benchmarks that go through the whole registry: a new stage
// does not compile until it has a row here.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "sampling/settings.h"

namespace pellucid::sampling::test {

/// "NAME=VALUE ..." with which the stage changes something.
constexpr std::string_view words_of(StageId id) {
  switch (id) {
    case StageId::kGuidance:
      return "guidance_scale=1.5";
    case StageId::kPhraseBan:
      return "ban_phrases=a";
    case StageId::kLogitBias:
      return "logit_bias=3=-1.5,1+8=-inf,9=2";
    case StageId::kBadWords:
      return "bad_words=3,1+8";
    case StageId::kAllowedTokens:
      return "allowed_tokens=2,3,5,7,11,13,17,19,23,29";
    case StageId::kSuppressTokens:
      return "suppress_tokens=3,8";
    case StageId::kBeginSuppressTokens:
      return "begin_suppress_tokens=3,8";
    case StageId::kForcedTokens:
      return "forced_tokens=3";
    case StageId::kMinNewTokens:
      return "min_new_tokens=1000000";
    case StageId::kGrammar:
      return "regex=a";
    case StageId::kRepetitionPenalty:
      return "repetition_penalty=1.1";
    case StageId::kFrequencyPenalty:
      return "frequency_penalty=0.1";
    case StageId::kPresencePenalty:
      return "presence_penalty=0.5";
    case StageId::kNoRepeatNgram:
      return "no_repeat_ngram_size=2";
    case StageId::kDry:
      return "dry_multiplier=0.8";
    case StageId::kLengthDecay:
      return "length_decay_factor=1.01";
    case StageId::kTemperature:
      return "temperature=0.8";
    case StageId::kDynamicTemperature:
      return "dynatemp_range=0.5";
    case StageId::kTopK:
      return "top_k=40";
    case StageId::kTopP:
      return "top_p=0.95";
    case StageId::kMinP:
      return "min_p=0.05";
    case StageId::kTypicalP:
      return "typical_p=0.9";
    case StageId::kEpsilonCutoff:
      return "epsilon_cutoff=0.001";
    case StageId::kEtaCutoff:
      return "eta_cutoff=0.001";
    case StageId::kTopH:
      return "top_h=0.5";
    case StageId::kTopNSigma:
      return "top_n_sigma=1";
    case StageId::kTopA:
      return "top_a=0.1";
    case StageId::kXtc:
      return "xtc_probability=0.5 xtc_threshold=0.05";
    case StageId::kMirostat:
      return "mirostat=2";
    case StageId::kAdaptiveP:
      return "adaptive_target=0.3";
    case StageId::kWatermark:
      return "watermark_bias=2";
  }
  return "";
}

/// `settings` with those of "NAME=VALUE ..."; ends the program where they are wrong.
inline Settings with(Settings settings, std::string_view words) {
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    words.remove_prefix(std::min(word.size() + 1, words.size()));
    const size_t equals = word.find('=');
    const auto done = set(settings, word.substr(0, equals), word.substr(equals + 1));
    if (done.ok()) continue;
    std::fprintf(stderr, "%s\n", done.error().message().c_str());
    std::exit(2);
  }
  return settings;
}

}  // namespace pellucid::sampling::test
