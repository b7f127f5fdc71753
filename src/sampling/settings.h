// The values that shape a distribution, and how they are read, checked and printed. What may be set, and
// within which range, is in the stages' rows (registry.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pellucid::sampling {

/// A stage of the chain; the index of its row in the registry, in the default order.
enum class StageId : uint8_t {
  kGuidance,
  kLogitBias,
  kBadWords,
  kAllowedTokens,
  kSuppressTokens,
  kBeginSuppressTokens,
  kForcedTokens,
  kMinNewTokens,
  kGrammar,
  kPhraseBan,
  kRepetitionPenalty,
  kFrequencyPenalty,
  kPresencePenalty,
  kNoRepeatNgram,
  kDry,
  kLengthDecay,
  kTemperature,
  kDynamicTemperature,
  kTopK,
  kTopP,
  kMinP,
  kTypicalP,
  kEpsilonCutoff,
  kEtaCutoff,
  kTopH,
  kTopNSigma,
  kTopA,
  kXtc,
  kMirostat,
  kAdaptiveP,
  kWatermark,
};

/// All stages, in the order of StageId.
std::vector<StageId> default_order();

using TokenIds = std::vector<int32_t>;

/// What is added to the logit of the last of `ids` where the others stand before it; -inf rules it out.
struct SequenceBias {
  TokenIds ids;
  double bias = 0;
  bool operator==(const SequenceBias&) const = default;
};

/// Which tokens a penalty counts: prompt and output, or the output alone.
enum class Scope : int32_t { kAll, kOutput };

/// Whether letters that differ in their case are the same.
enum class LetterCase : int32_t { kExact, kIgnore };

/// Of logits equal to the k-th largest: keep exactly k, lower ids first; or keep all of them.
enum class TopKTies : int32_t { kCut, kKeep };

/// The token whose probability makes the sum cross p: kept; kept, and one more where the sum is p exactly; or
/// dropped (unless it is the best).
enum class TopPCrossing : int32_t { kKeep, kPass, kDrop };

/// What makes a token green for the watermark: the token before it; or itself and those before it.
enum class WatermarkScheme : int32_t { kLeftHash, kSelfHash };

/// A plain value. The initialisers are the defaults.
struct Settings {
  double guidance_scale = 1;

  double temperature = 1.0;
  int32_t top_k = 50;
  TopKTies top_k_ties = TopKTies::kCut;
  double top_p = 0.95;
  TopPCrossing top_p_crossing = TopPCrossing::kKeep;
  double min_p = 0;
  double typical_p = 1;
  double epsilon_cutoff = 0;
  double eta_cutoff = 0;
  double top_h = 0;
  double top_n_sigma = 0;
  double top_a = 0;
  double xtc_probability = 0;
  double xtc_threshold = 0.1;
  double dynatemp_range = 0;
  double dynatemp_exponent = 1;
  int32_t mirostat = 0;
  double mirostat_tau = 5;
  double mirostat_eta = 0.1;
  double adaptive_target = -1;
  double adaptive_decay = 0.9;

  double repetition_penalty = 1;
  int32_t repetition_last_n = -1;
  Scope repetition_scope = Scope::kAll;
  double frequency_penalty = 0;
  double presence_penalty = 0;
  int32_t penalty_last_n = -1;
  Scope penalty_scope = Scope::kOutput;
  int32_t no_repeat_ngram_size = 0;
  double dry_multiplier = 0;
  double dry_base = 1.75;
  int32_t dry_allowed_length = 2;
  int32_t dry_last_n = -1;
  std::vector<std::string> dry_breakers{"\n", ":", "\"", "*"};
  double length_decay_factor = 1;
  int32_t length_decay_start = 0;

  std::vector<SequenceBias> logit_bias;
  std::vector<TokenIds> bad_words;
  TokenIds allowed_tokens;
  TokenIds suppress_tokens;
  TokenIds begin_suppress_tokens;
  TokenIds forced_tokens;
  int32_t min_new_tokens = 0;
  int32_t min_length = 0;

  // What the output has to be; one of them at most.
  std::string json_schema;
  std::string regex;
  std::vector<std::string> choice;
  std::string grammar;

  // What the output must not hold.
  std::vector<std::string> ban_phrases;
  LetterCase ban_case = LetterCase::kExact;

  double watermark_bias = 0;
  double watermark_ratio = 0.25;
  int32_t watermark_key = 15485863;  // transformers' default, the millionth prime
  WatermarkScheme watermark_scheme = WatermarkScheme::kLeftHash;
  int32_t watermark_context = 1;

  /// Stages in the order they run; one that isn't named doesn't run.
  std::vector<StageId> order = default_order();

  bool operator==(const Settings&) const = default;
};

/// Sets one value from text, e.g. ("top_k", "40"), ("--top-k", "40"), ("order", "top_k,temperature"),
/// ("logit_bias", "15=-1.5,4+5=-inf"). Aliases count, and '-' equals '_'. The forms are those of value_text()
/// (registry.h). Errors: kUsage with the setting's name, the value and its range.
Result<void> set(Settings& settings, std::string_view name, std::string_view text);

/// Refuses NaN, infinities and values out of range (by name, value and range), a stage named twice in the
/// order, more than one structure for the output, or one whose stage is not in the order, banned phrases
/// whose stage is not, and guidance whose stage is not the first.
Result<void> check(const Settings& settings);

/// Refuses a setting, by its name, that the order leaves no stage for although it would do something.
Result<void> check_heeded(const Settings& settings, std::string_view name);

/// True where the output has to be of a structure: JSON of a schema, a pattern, a choice or a grammar.
bool is_structured(const Settings& settings);

/// True where a text goes back when it comes to hold a banned phrase (generation/phrase_bans.h).
bool bans_phrases(const Settings& settings);

/// True where each step takes the logits of a second text (guidance.h).
bool is_guided(const Settings& settings);

/// True where the chain always leaves the single most likely token: temperature 0 or top-k 1 (and the stage
/// is in the order). Of equal logits the lower id is the most likely.
bool greedy(const Settings& settings);

/// "temperature=1 top_k=50 top_p=0.95 ... order=temperature,top_k,top_p"; numbers in the shortest form that
/// reads back exactly, no spaces within a value but those of a schema, a pattern or a grammar.
std::string to_string(const Settings& settings);

/// "temperature,top_k,top_p".
std::string order_text(const std::vector<StageId>& order);

}  // namespace pellucid::sampling
