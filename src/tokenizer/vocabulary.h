// The tokens of a model as its GGUF metadata lists them, checked: texts, types, scores, merges, special ids.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "gguf/metadata.h"

namespace pellucid::tokenizer {

/// `tokenizer.ggml.token_type`, as numbered in the file.
enum class TokenType : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      // not text: <|im_end|>
  kUserDefined = 4,  // text that is always one token: "\n\n", <h1>
  kUnused = 5,
  kByte = 6,  // <0x0A>: the fallback for one byte
};

/// `tokenizer.ggml.model`.
enum class Algorithm {
  kByteBpe,  // "gpt2": byte-level BPE by rank of merge
  kSpmBpe,   // "llama": SentencePiece-style BPE by score of token
};

/// Views the strings of the metadata. Every id in it is within range, or -1 where the model has none.
struct Vocabulary {
  Algorithm algorithm;
  std::string_view pretokenizer;             // kByteBpe: `tokenizer.ggml.pre`, "default" where absent
  std::span<const std::string_view> texts;   // [size]
  std::vector<TokenType> types;              // [size]
  std::vector<float> scores;                 // [size], kSpmBpe only; no NaN
  std::span<const std::string_view> merges;  // kByteBpe only: "left right", best first
  std::array<int32_t, 256> byte_ids;         // kByte tokens by the byte they stand for
  int32_t bos, eos, eot, eom, unknown;       // end of turn, end of message
  bool add_bos, add_eos;                     // what encode() adds
  bool add_space_prefix;                     // kSpmBpe: a space goes before text that follows no text

  [[nodiscard]] int32_t size() const { return static_cast<int32_t>(texts.size()); }
  [[nodiscard]] bool contains(int32_t id) const { return id >= 0 && id < size(); }
  /// Whether merging may produce the token `id`. Control, unknown and byte tokens it may not: text that
  /// merely looks like one must never become one.
  [[nodiscard]] bool is_text(int32_t id) const;
};

/// Reads and checks `tokenizer.ggml.*`. Errors: kBadModel naming the key, kUnsupported for an algorithm that
/// is not one of the two.
Result<Vocabulary> read_vocabulary(const gguf::Metadata& metadata);

/// The byte of a byte token's text, exactly "<0xHH>" with two hexadecimal digits; -1 for anything else.
int parse_byte_token(std::string_view text);

/// True for text by which end-of-turn tokens are known where no key names them (llama.cpp's list).
bool is_stop_text(std::string_view text);

}  // namespace pellucid::tokenizer
