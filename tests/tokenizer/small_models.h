// Small vocabularies as GGUF files in memory: what the tests without a downloaded model run on.
#pragma once

#include <string>
#include <vector>

#include "gguf/builder.h"
#include "gguf/reader.h"
#include "tokenizer/pieces.h"
#include "tokenizer/tokenizer.h"

namespace pellucid::tokenizer::test {

/// The `tokenizer.ggml.*` keys; a test changes what it wants before making the file.
struct Keys {
  std::string model{};
  std::string pre{};
  std::vector<std::string> tokens{};
  std::vector<int32_t> types{};
  std::vector<float> scores{};
  std::vector<std::string> merges{};
  std::vector<std::pair<std::string, uint32_t>> ids{};
  std::vector<std::pair<std::string, bool>> flags{};

  void add(const std::string& token, int32_t type, float score = 0) {
    tokens.push_back(token);
    types.push_back(type);
    scores.push_back(score);
  }

  void add_to(gguf::test::Builder& builder) const {
    builder.string("tokenizer.ggml.model", model);
    if (!pre.empty()) builder.string("tokenizer.ggml.pre", pre);
    builder.strings("tokenizer.ggml.tokens", tokens).ints("tokenizer.ggml.token_type", types);
    if (model == "gpt2") builder.strings("tokenizer.ggml.merges", merges);
    if (model == "llama") builder.floats("tokenizer.ggml.scores", scores);
    for (const auto& [name, id] : ids) builder.u32("tokenizer.ggml." + name, id);
    for (const auto& [name, flag] : flags) builder.boolean("tokenizer.ggml." + name, flag);
  }
  [[nodiscard]] gguf::test::Bytes bytes() const {
    gguf::test::Builder builder;
    add_to(builder);
    return builder.bytes();
  }
};

/// All 256 bytes, "ab", "abc", "aa", "aaaa", " a"; <s> is bos, </s> is eos, "\n\n" is user-defined.
inline Keys byte_level_keys() {
  Keys keys{.model = "gpt2", .pre = "gpt-2"};
  for (int b = 0; b < 256; ++b) keys.add(byte_character(static_cast<uint8_t>(b)), 1);
  for (const char* text : {"ab", "abc", "aa", "aaaa", "Ġa", "bc"}) keys.add(text, 1);
  for (const char* text : {"<s>", "</s>"}) keys.add(text, 3);
  keys.add("\n\n", 4);
  keys.merges = {"b c", "a b", "ab c", "a a", "aa aa", "Ġ a"};
  keys.ids = {{"bos_token_id", 262}, {"eos_token_id", 263}};
  return keys;
}

/// <unk>, <s>, </s>, 256 byte tokens, then pieces by score.
inline Keys spm_keys() {
  Keys keys{.model = "llama"};
  keys.add("<unk>", 2);
  keys.add("<s>", 3);
  keys.add("</s>", 3);
  for (int b = 0; b < 256; ++b) {
    constexpr char kHex[] = "0123456789ABCDEF";
    keys.add(std::string("<0x") + kHex[b / 16] + kHex[b % 16] + ">", 6);
  }
  float score = -1;
  for (const char* text : {"▁a", "ab", "▁ab", "aa", "abc", "aaaa", "▁▁", "é", "a", "b", "c", "▁", ".▁"}) {
    keys.add(text, 1, score);
    score -= 1;
  }
  return keys;
}

/// A tokenizer and what it views.
struct Small {
  gguf::test::Bytes bytes;
  gguf::File file;
  Tokenizer tokenizer;
};

inline Small make(const Keys& keys) {
  gguf::test::Bytes bytes = keys.bytes();
  gguf::File file = gguf::File::parse(bytes).value();
  Tokenizer tokenizer = Tokenizer::from(file.metadata()).value();
  return {std::move(bytes), std::move(file), std::move(tokenizer)};
}

/// The error of a file that must be refused; its code is kUsage where it was not.
inline Error refusal(const gguf::test::Bytes& bytes) {
  const auto file = gguf::File::parse(bytes);
  if (!file.ok()) return {ErrorCode::kIo, "the reader", file.error().message()};
  const auto tokenizer = Tokenizer::from(file.value().metadata());
  return tokenizer.ok() ? Error{ErrorCode::kUsage, "", "not refused"} : tokenizer.error();
}

}  // namespace pellucid::tokenizer::test
