#include "tokenizer/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace pellucid::tokenizer {

namespace {

constexpr std::string_view kKeyPrefix = "tokenizer.ggml.";

std::string key(std::string_view name) { return fmt::format("{}{}", kKeyPrefix, name); }

Error bad_model(std::string_view name, std::string why) {
  return Error{ErrorCode::kBadModel, fmt::format("reading {}", key(name)), std::move(why)};
}

/// Pre-tokenizers whose models begin with bos unless they say otherwise (llama.cpp: those of Llama 3).
bool starts_with_bos(std::string_view pretokenizer) {
  return pretokenizer == "llama-bpe" || pretokenizer == "llama3" || pretokenizer == "llama-v3";
}

Result<void> read_algorithm(const gguf::Metadata& metadata, Vocabulary& vocabulary) {
  PELLUCID_TRY(const std::string_view model, metadata.string(key("model")));
  if (model == "gpt2") {
    vocabulary.algorithm = Algorithm::kByteBpe;
  } else if (model == "llama") {
    vocabulary.algorithm = Algorithm::kSpmBpe;
  } else {
    return Error{ErrorCode::kUnsupported, fmt::format("reading {}", key("model")),
                 fmt::format("tokenizer model {} is not one of: gpt2, llama", in_quotes(model))};
  }
  return {};
}

Result<void> read_types(const gguf::Metadata& metadata, Vocabulary& vocabulary) {
  const size_t size = vocabulary.texts.size();
  vocabulary.types.assign(size, TokenType::kNormal);
  if (!metadata.contains(key("token_type"))) return {};
  PELLUCID_TRY(const std::vector<int32_t> types, metadata.ints(key("token_type")));
  if (types.size() != size) {
    return bad_model("token_type", fmt::format("{} types for {} tokens", types.size(), size));
  }
  for (size_t id = 0; id < size; ++id) {
    if (types[id] < 1 || types[id] > 6) {
      return bad_model("token_type", fmt::format("type {} of token {} is not in 1..6", types[id], id));
    }
    vocabulary.types[id] = static_cast<TokenType>(types[id]);
  }
  return {};
}

Result<void> read_scores(const gguf::Metadata& metadata, Vocabulary& vocabulary) {
  if (vocabulary.algorithm != Algorithm::kSpmBpe) return {};
  PELLUCID_TRY(vocabulary.scores, metadata.floats(key("scores")));
  if (vocabulary.scores.size() != vocabulary.texts.size()) {
    return bad_model(
        "scores", fmt::format("{} scores for {} tokens", vocabulary.scores.size(), vocabulary.texts.size()));
  }
  const auto nan = std::find_if(vocabulary.scores.begin(), vocabulary.scores.end(),
                                [](float score) { return std::isnan(score); });
  if (nan != vocabulary.scores.end()) {
    return bad_model("scores",
                     fmt::format("the score of token {} is not a number", nan - vocabulary.scores.begin()));
  }
  return {};
}

/// Sets `id` from the key `name`. Where it is absent, the default stays if the vocabulary has a token there
/// that is not text, else -1.
Result<void> read_id(const gguf::Metadata& metadata, std::string_view name, const Vocabulary& vocabulary,
                     int32_t& id) {
  if (!metadata.contains(key(name))) {
    if (!vocabulary.contains(id) || vocabulary.types[id] == TokenType::kNormal) id = -1;
    return {};
  }
  PELLUCID_TRY(const uint32_t value, metadata.u32(key(name)));
  if (value >= vocabulary.texts.size()) {
    return bad_model(name, fmt::format("token {} of a vocabulary of {}", value, vocabulary.texts.size()));
  }
  id = static_cast<int32_t>(value);
  return {};
}

Result<void> read_special_ids(const gguf::Metadata& metadata, Vocabulary& vocabulary) {
  const bool spm = vocabulary.algorithm == Algorithm::kSpmBpe;
  vocabulary.unknown = spm ? 0 : -1;  // SentencePiece's own defaults
  vocabulary.bos = spm ? 1 : -1;
  vocabulary.eos = spm ? 2 : -1;
  vocabulary.eot = vocabulary.eom = -1;
  PELLUCID_CHECK(read_id(metadata, "bos_token_id", vocabulary, vocabulary.bos));
  PELLUCID_CHECK(read_id(metadata, "eos_token_id", vocabulary, vocabulary.eos));
  PELLUCID_CHECK(read_id(metadata, "eot_token_id", vocabulary, vocabulary.eot));
  PELLUCID_CHECK(read_id(metadata, "eom_token_id", vocabulary, vocabulary.eom));
  PELLUCID_CHECK(read_id(metadata, "unknown_token_id", vocabulary, vocabulary.unknown));

  PELLUCID_TRY(vocabulary.add_bos,
               metadata.boolean_or(key("add_bos_token"), spm || starts_with_bos(vocabulary.pretokenizer)));
  PELLUCID_TRY(vocabulary.add_eos, metadata.boolean_or(key("add_eos_token"), false));
  PELLUCID_TRY(vocabulary.add_space_prefix, metadata.boolean_or(key("add_space_prefix"), spm));
  vocabulary.add_space_prefix = vocabulary.add_space_prefix && spm;
  if (vocabulary.add_bos && vocabulary.bos < 0 && metadata.contains(key("add_bos_token"))) {
    return bad_model("add_bos_token", "true, but there is no bos token");
  }
  if (vocabulary.add_eos && vocabulary.eos < 0) {
    return bad_model("add_eos_token", "true, but there is no eos token");
  }
  vocabulary.add_bos = vocabulary.add_bos && vocabulary.bos >= 0;
  return {};
}

Result<void> index_bytes(Vocabulary& vocabulary) {
  vocabulary.byte_ids.fill(-1);
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.types[id] != TokenType::kByte) continue;
    const int byte = parse_byte_token(vocabulary.texts[id]);
    if (byte < 0) {
      return bad_model("tokens", fmt::format("byte token {} is not written <0xHH>", id));
    }
    if (vocabulary.byte_ids[byte] >= 0) {
      return bad_model("tokens", fmt::format("tokens {} and {} are both byte 0x{:02X}",
                                             vocabulary.byte_ids[byte], id, byte));
    }
    vocabulary.byte_ids[byte] = id;
  }
  return {};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

bool Vocabulary::is_text(int32_t id) const {
  const TokenType type = types[id];
  return !texts[id].empty() &&
         (type == TokenType::kNormal || type == TokenType::kUserDefined || type == TokenType::kUnused);
}

int parse_byte_token(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  const int high = hex_digit(text[3]);
  const int low = hex_digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool is_stop_text(std::string_view text) {
  static constexpr std::string_view kTexts[] = {"<|eot_id|>",    "<|eot|>",         "<|im_end|>",
                                                "<|end|>",       "<|return|>",      "<|call|>",
                                                "<|eom_id|>",    "<EOT>",           "_<EOT>",
                                                "[EOT]",         "[EOS]",           "<end_of_turn>",
                                                "<turn|>",       "<eos>",           "</s>",
                                                "<|endoftext|>", "<|end_of_text|>", "<end_of_utterance>",
                                                "<|flush|>",     "<|calls|>",       "<｜end▁of▁sentence｜>"};
  return std::find(std::begin(kTexts), std::end(kTexts), text) != std::end(kTexts);
}

Result<Vocabulary> read_vocabulary(const gguf::Metadata& metadata) {
  Vocabulary vocabulary{};
  PELLUCID_CHECK(read_algorithm(metadata, vocabulary));
  PELLUCID_TRY(vocabulary.texts, metadata.strings(key("tokens")));
  if (vocabulary.texts.empty()) return bad_model("tokens", "the vocabulary is empty");
  if (vocabulary.texts.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return bad_model("tokens",
                     fmt::format("{} tokens are more than ids can number", vocabulary.texts.size()));
  }
  PELLUCID_CHECK(read_types(metadata, vocabulary));
  PELLUCID_CHECK(read_scores(metadata, vocabulary));
  if (vocabulary.algorithm == Algorithm::kByteBpe) {
    PELLUCID_TRY(vocabulary.pretokenizer, metadata.string_or(key("pre"), "default"));
    PELLUCID_TRY(vocabulary.merges, metadata.strings(key("merges")));
  }
  PELLUCID_CHECK(read_special_ids(metadata, vocabulary));
  PELLUCID_CHECK(index_bytes(vocabulary));
  return vocabulary;
}

}  // namespace pellucid::tokenizer
