// Any bytes as a byte-level vocabulary and a text: made or refused, and where it is made, encoding loses only
// the bytes that have no token. The first bytes choose the vocabulary's damage, the rest are merges and text.
#include <cstdint>
#include <string>

#include "tokenizer/fuzz_input.h"
#include "tokenizer/small_models.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pellucid::tokenizer::test;
  FuzzInput input(data, size);
  Keys keys = byte_level_keys();
  constexpr const char* kPre[] = {"default", "gpt-2", "smollm", "llama-bpe", "qwen2", "none"};
  keys.pre = kPre[input.below(6)];
  for (uint32_t n = input.below(8); n > 0; --n)
    keys.add(input.text(12), input.below(16) == 0 ? 9 : input.below(6) + 1);
  for (uint32_t n = input.below(8); n > 0; --n) keys.merges.insert(keys.merges.begin(), input.text(12));
  if (input.below(8) == 0) keys.tokens[input.below(256)] = input.text(8);
  if (input.below(8) == 0) keys.ids.emplace_back("eot_token_id", input.below(300));
  check(keys, input);
  return 0;
}
