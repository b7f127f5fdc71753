#include "tokenizer/pieces.h"

#include <array>

namespace pellucid::tokenizer {

namespace {

struct ByteAlphabet {
  std::array<uint16_t, 256> code_point{};  // of a byte
  std::array<int16_t, 512> byte{};         // of a code point, or -1
};

constexpr ByteAlphabet make_alphabet() {
  ByteAlphabet alphabet;
  for (auto& byte : alphabet.byte) byte = -1;
  uint16_t next = 0x100;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    alphabet.code_point[b] = printable ? static_cast<uint16_t>(b) : next++;
    alphabet.byte[alphabet.code_point[b]] = static_cast<int16_t>(b);
  }
  return alphabet;
}

constexpr ByteAlphabet kAlphabet = make_alphabet();

/// Appends the bytes that `text` writes in the alphabet; false, and nothing appended, where a character is
/// not of it (the text then stands for itself, as in Hugging Face's ByteLevel decoder).
bool append_from_alphabet(std::string_view text, std::vector<char>& bytes) {
  const size_t start = bytes.size();
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    int code_point = -1;
    size_t length = 1;
    if (lead < 0x80) {
      code_point = lead;
    } else if (lead >= 0xC2 && lead < 0xC8 && i + 1 < text.size()) {  // U+0080 .. U+01FF
      code_point = (lead & 0x1F) << 6 | (static_cast<uint8_t>(text[i + 1]) & 0x3F);
      length = 2;
    }
    if (code_point < 0 || kAlphabet.byte[code_point] < 0) {
      bytes.resize(start);
      return false;
    }
    bytes.push_back(static_cast<char>(kAlphabet.byte[code_point]));
    i += length;
  }
  return true;
}

void append(std::string_view text, std::vector<char>& bytes) {
  bytes.insert(bytes.end(), text.begin(), text.end());
}

void append_unescaped(std::string_view text, std::vector<char>& bytes) {
  for (size_t at; (at = text.find(kEscapedSpace)) != text.npos;
       text.remove_prefix(at + kEscapedSpace.size())) {
    append(text.substr(0, at), bytes);
    bytes.push_back(' ');
  }
  append(text, bytes);
}

void append_piece(const Vocabulary& vocabulary, int32_t id, std::vector<char>& bytes) {
  const std::string_view text = vocabulary.texts[id];
  switch (vocabulary.types[id]) {
    case TokenType::kByte:
      bytes.push_back(static_cast<char>(parse_byte_token(text)));
      return;
    case TokenType::kNormal:
    case TokenType::kUnused:
      if (vocabulary.algorithm == Algorithm::kSpmBpe) return append_unescaped(text, bytes);
      if (append_from_alphabet(text, bytes)) return;
      break;
    default:
      break;
  }
  append(text, bytes);
}

}  // namespace

std::string byte_character(uint8_t byte) {
  const uint16_t c = kAlphabet.code_point[byte];
  if (c < 0x80) return std::string(1, static_cast<char>(c));
  return {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
}

Pieces decode_pieces(const Vocabulary& vocabulary) {
  Pieces pieces;
  std::vector<size_t> ends(vocabulary.texts.size());
  size_t total = 0;
  for (const std::string_view text : vocabulary.texts) total += text.size();
  pieces.bytes.reserve(total);  // a piece is never longer than its text
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    append_piece(vocabulary, id, pieces.bytes);
    ends[id] = pieces.bytes.size();
  }
  pieces.views.reserve(ends.size());
  size_t begin = 0;
  for (const size_t end : ends) {
    pieces.views.emplace_back(pieces.bytes.data() + begin, end - begin);
    begin = end;
  }
  return pieces;
}

}  // namespace pellucid::tokenizer
