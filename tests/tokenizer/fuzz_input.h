// What the fuzz targets of this layer share: the properties that hold for every vocabulary.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fuzz_bytes.h"
#include "tokenizer/small_models.h"
#include "tokenizer/utf8.h"

namespace pellucid::tokenizer::test {

using pellucid::test::FuzzInput;

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

inline bool is_well_formed(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = utf8_step(text.substr(i));
    if (step.kind != Utf8Step::kCharacter) return false;
    i += step.length;
  }
  return true;
}

/// `text` without what a tokenizer may lose of it: bytes that have no token, and for a SentencePiece-style
/// one spaces and U+2581, of which it makes the same token.
inline std::string without_losses(const Keys& keys, const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<uint8_t> missing = tokenizer.missing_bytes();
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool lost =
        std::find(missing.begin(), missing.end(), static_cast<uint8_t>(text[i])) != missing.end();
    if (keys.model == "llama" && text.substr(i, 3) == "\xE2\x96\x81") {
      i += 2;
    } else if (!lost && (keys.model != "llama" || text[i] != ' ')) {
      out.push_back(text[i]);
    }
  }
  return out;
}

/// The ids of `text` are tokens, and stand for its bytes in order.
inline void check_text(const Keys& keys, const Tokenizer& tokenizer, std::string_view text,
                       bool parse_special) {
  const auto ids = tokenizer.encode(text, {.add_bos = false, .parse_special = parse_special});
  if (!ids.ok()) fail(ids.error().message().c_str());
  for (const int32_t id : ids.value()) {
    if (id < 0 || id >= tokenizer.size()) fail("an id out of range");
  }
  const bool all_bytes = keys.model == "gpt2" || std::count(keys.types.begin(), keys.types.end(), 6) == 256;
  if (!all_bytes) return;  // the unknown token stands for some
  const std::string decoded = tokenizer.decode(ids.value(), true);
  if (without_losses(keys, tokenizer, decoded) != without_losses(keys, tokenizer, text))
    fail("bytes are lost");
}

/// Makes the vocabulary, or has it refused with a proper error, and encodes what is left of the input.
inline void check(const Keys& keys, const FuzzInput& input) {
  const gguf::test::Bytes bytes = keys.bytes();
  const auto file = gguf::File::parse(bytes);
  if (!file.ok()) return;
  const auto tokenizer = Tokenizer::from(file.value().metadata());
  if (!tokenizer.ok()) {
    const Error& error = tokenizer.error();
    const bool proper = error.code == ErrorCode::kBadModel || error.code == ErrorCode::kUnsupported;
    if (!proper || error.what.empty() || error.why.empty()) fail("an improper error");
    return;
  }
  for (const bool special : {true, false}) check_text(keys, tokenizer.value(), input.rest(), special);
  for (int32_t id = -1; id <= tokenizer.value().size(); ++id) {
    if (tokenizer.value().piece(id).size() > tokenizer.value().text_of(id).size())
      fail("a piece is longer than its text");
  }
}

}  // namespace pellucid::tokenizer::test
