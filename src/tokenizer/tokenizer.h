// Text <-> token ids, from the metadata of a GGUF file alone: split at special tokens, pre-tokenise, merge;
// and back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "gguf/metadata.h"
#include "tokenizer/utf8_stream.h"

namespace pellucid::tokenizer {

struct EncodeOptions {
  /// Adds what the model wants around a text: bos where `add_bos_token` says so, eos where `add_eos_token`.
  bool add_bos = true;
  /// Control tokens written in the text, such as <|im_end|>, become their ids. User-defined tokens always do.
  bool parse_special = true;
};

/// Immutable after from(), so every const member may be called from many threads at once. Movable.
class Tokenizer {
 public:
  /// Reads `tokenizer.ggml.*`. Views the strings of the metadata: the gguf::File must outlive the Tokenizer.
  /// Errors: kBadModel (the arrays contradict each other, a merge or a special id names no token),
  /// kUnsupported (a tokenizer model or pre-tokenizer this version does not know; the error lists those it
  /// does), kLimit (more than 4 MiB of special tokens).
  static Result<Tokenizer> from(const gguf::Metadata& metadata);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// The ids of `text`, any bytes: ill-formed UTF-8 is encoded byte by byte and decodes to the same bytes.
  /// Only bytes for which the vocabulary has no token are lost, see missing_bytes(). Time grows as n log n at
  /// worst. Errors: kLimit (text of more than 2^30 bytes).
  [[nodiscard]] Result<std::vector<int32_t>> encode(std::string_view text, EncodeOptions options = {}) const;

  /// The bytes a token stands for (half a character, perhaps); a special token's are its text. "" out of
  /// range.
  [[nodiscard]] std::string_view piece(int32_t id) const;
  /// The bytes of `ids` in a row, not necessarily well-formed UTF-8 (Utf8Stream makes them so). Special
  /// tokens are left out unless `show_special`; so is the space that the model's `add_space_prefix` put in
  /// front.
  [[nodiscard]] std::string decode(std::span<const int32_t> ids, bool show_special) const;

  /// The number of tokens; ids are 0 .. size() - 1.
  [[nodiscard]] int32_t size() const;
  [[nodiscard]] int32_t bos() const;  // -1 where the model has none
  /// Whether encode() puts a bos before a text (where the options let it).
  [[nodiscard]] bool adds_bos() const;
  [[nodiscard]] int32_t eos() const;  // -1 where the model has none
  /// Every id that ends a turn, ascending: eos, eot, eom, and control tokens known by their text.
  [[nodiscard]] std::vector<int32_t> stop_ids() const;
  /// Control or unknown: a token that is not text.
  [[nodiscard]] bool is_special(int32_t id) const;
  /// The vocabulary's own text of a token, e.g. "Ġthe"; "" out of range.
  [[nodiscard]] std::string_view text_of(int32_t id) const;
  /// Bytes that a byte-level vocabulary has no token for. encode() leaves them out, as Hugging Face
  /// tokenizers and llama.cpp do; SmolLM2 lacks 21, all of them control characters or not part of any
  /// assigned character.
  [[nodiscard]] std::vector<uint8_t> missing_bytes() const;

 private:
  struct Parts;
  explicit Tokenizer(std::unique_ptr<const Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

}  // namespace pellucid::tokenizer
