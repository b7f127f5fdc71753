#include "sampling/dialects.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <variant>

#include "base/text.h"
#include "sampling/registry.h"

namespace pellucid::sampling {
namespace {

// What an engine's rules are, as read in its source at the version named: a release, a build or a commit.
// What differs besides: the random numbers, and which of equal logits stays where an engine's sort leaves
// that open (lower ids do here). llama.cpp checks a grammar after the draw, and where it failed goes through
// the chain again with the grammar first, which is what it does here at once.
constexpr std::array kDialects{
    Dialect{.name = "pellucid", .engine = "pellucid", .settings = ""},
    Dialect{
        .name = "hf",
        .engine = "transformers 5.23",
        .settings = "order=guidance,logit_bias,repetition_penalty,no_repeat_ngram,bad_words,min_new_tokens,"
                    "allowed_tokens,grammar,phrase_ban,forced_tokens,length_decay,suppress_tokens,begin_"
                    "suppress_tokens,temperature,top_h,top_k,"
                    "top_p,min_p,typical_p,epsilon_cutoff,eta_cutoff,watermark "
                    "top_k=50 top_k_ties=keep top_p=1",
    },
    Dialect{
        .name = "llamacpp",
        .engine = "llama.cpp b11434",
        .settings = "order=grammar,phrase_ban,logit_bias,repetition_penalty,frequency_penalty,presence_"
                    "penalty,dry,top_"
                    "n_sigma,top_k,"
                    "typical_p,top_p,min_p,xtc,temperature,dynamic_temperature,adaptive_p "
                    "temperature=0.8 top_k=40 top_p=0.95 min_p=0.05 "
                    "repetition_last_n=64 penalty_last_n=64 penalty_scope=all",
    },
    Dialect{
        .name = "llamacpp-mirostat",
        .engine = "llama.cpp b11434 with --mirostat 2",
        .settings = "order=grammar,phrase_ban,logit_bias,temperature,mirostat temperature=0.8 mirostat=2",
    },
    Dialect{
        .name = "vllm",
        .engine = "vLLM V1 at 3e342658",
        .settings =
            "order=grammar,phrase_ban,allowed_tokens,bad_words,min_new_tokens,logit_bias,repetition_penalty,"
            "frequency_penalty,"
            "presence_penalty,temperature,min_p,top_k,top_p "
            "top_k=0 top_k_ties=keep top_p=1",
    },
    // top-k and top-p cut the same cumulative sum, which is what top-p before top-k does.
    Dialect{
        .name = "sglang",
        .engine = "SGLang 0.5.23",
        .settings = "order=repetition_penalty,frequency_penalty,presence_penalty,min_new_tokens,grammar,"
                    "phrase_ban,logit_bias,"
                    "temperature,top_p,top_k,min_p "
                    "top_k=0 top_p=1 top_p_crossing=pass repetition_scope=output",
    },
    Dialect{
        .name = "exllamav3",
        .engine = "ExLlamaV3 at 4f8ad01 (ComboSampler)",
        .settings = "order=grammar,phrase_ban,allowed_tokens,logit_bias,repetition_penalty,presence_penalty,"
                    "frequency_penalty,"
                    "temperature,min_p,top_k,top_p "
                    "top_k=0 top_p=1 top_p_crossing=drop penalty_scope=all",
    },
};

// Of what is written, not of how an engine draws.
constexpr std::array<std::string_view, 12> kOfTheText{"json_schema",
                                                      "regex",
                                                      "choice",
                                                      "grammar",
                                                      "ban_phrases",
                                                      "ban_case",
                                                      "logit_bias",
                                                      "bad_words",
                                                      "allowed_tokens",
                                                      "suppress_tokens",
                                                      "begin_suppress_tokens",
                                                      "forced_tokens"};

}  // namespace

std::span<const Dialect> dialects() { return kDialects; }

Result<Dialect> find_dialect(std::string_view name) {
  const auto found = std::ranges::find(kDialects, name, &Dialect::name);
  if (found == kDialects.end()) {
    std::string names;
    for (const Dialect& dialect : kDialects) {
      names += names.empty() ? "" : ", ";
      names += dialect.name;
    }
    return Error{ErrorCode::kUsage, "setting dialect",
                 fmt::format("{} is not one of {}", in_quotes(name), names)};
  }
  return *found;
}

Result<Settings> dialect_settings(std::string_view name) {
  PELLUCID_TRY(const Dialect dialect, find_dialect(name));
  Settings settings;
  std::string_view words = dialect.settings;
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    const size_t equals = word.find('=');
    PELLUCID_CHECK(set(settings, word.substr(0, equals), word.substr(equals + 1)));
    words.remove_prefix(std::min(word.size() + 1, words.size()));
  }
  return settings;
}

Result<Settings> dialect_settings(std::string_view name, const Settings& before) {
  PELLUCID_TRY(Settings settings, dialect_settings(name));
  for (const std::string_view kept : kOfTheText) {
    std::visit([&](auto field) { settings.*field = before.*field; }, find_setting(kept)->field);
    PELLUCID_CHECK(check_heeded(settings, kept));
  }
  return settings;
}

}  // namespace pellucid::sampling
