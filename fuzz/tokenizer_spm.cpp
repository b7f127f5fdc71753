// Any bytes as a SentencePiece-style vocabulary and a text: made or refused, and where it is made, every byte
// comes back unless it became the unknown token.
#include <cstdint>
#include <string>

#include "tokenizer/fuzz_input.h"
#include "tokenizer/small_models.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pellucid::tokenizer::test;
  FuzzInput input(data, size);
  Keys keys = spm_keys();
  keys.flags = {{"add_space_prefix", input.below(2) == 0}, {"add_eos_token", input.below(2) == 0}};
  for (uint32_t n = input.below(12); n > 0; --n) {
    keys.add(input.text(12), input.below(16) == 0 ? 9 : input.below(6) + 1,
             static_cast<float>(input.below(32)) - 16);
  }
  if (input.below(8) == 0) keys.types[input.below(259)] = input.below(6) + 1;
  if (input.below(8) == 0) keys.tokens[input.below(259)] = input.text(8);
  if (input.below(8) == 0) keys.ids.emplace_back("unknown_token_id", input.below(300));
  check(keys, input);
  return 0;
}
