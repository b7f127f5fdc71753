// The bytes that each token stands for, decoded once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace pellucid::tokenizer {

/// U+2581, by which SentencePiece writes a space.
inline constexpr std::string_view kEscapedSpace = "\xE2\x96\x81";

/// Owns the bytes; the views stay valid when it is moved.
struct Pieces {
  std::vector<char> bytes;
  std::vector<std::string_view> views;  // [vocabulary size]
};

/// Byte tokens become their byte. Normal and unused tokens are decoded: from the byte alphabet of GPT-2 where
/// the model is byte-level, else with U+2581 as a space. All others stand for their own text.
Pieces decode_pieces(const Vocabulary& vocabulary);

/// The character, in UTF-8, by which GPT-2's byte-level vocabularies write `byte`: printable Latin-1 is
/// itself, the other bytes are U+0100 and up, in order (openai/gpt-2, encoder.py, bytes_to_unicode).
std::string byte_character(uint8_t byte);

}  // namespace pellucid::tokenizer
