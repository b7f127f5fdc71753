// Any schema, pattern or grammar, followed at random: a guide or one proper error, at each token; soon. The
// crate is Rust and has no counters for the fuzzer, so bytes choose pieces, which nest and clash, beside text
// of their own.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "bridge/guide_support.h"
#include "fuzz_bytes.h"

namespace {

using pellucid::ErrorCode;
using pellucid::bridge::Guide;
using pellucid::bridge::GuideKind;
using pellucid::test::FuzzInput;

constexpr const char* kPieces[] = {
    "start: ",
    "a: ",
    "T: ",
    "\n",
    " | ",
    "(",
    ")",
    "\"x\"",
    "\"\"",
    "/a.{3}b/",
    "{2,4}",
    "*",
    "+",
    "?",
    "T ",
    "a ",
    "%json ",
    "%ignore ",
    "& ",
    "~",
    "<|im_start|>",
    "%lark {",
    "}",
    "{",
    "\"type\": ",
    "\"object\"",
    "\"string\"",
    "\"properties\": ",
    "\"pattern\": ",
    "\"allOf\": ",
    "\"anyOf\": ",
    "\"$ref\": ",
    "\"#\"",
    "[",
    "]",
    ", ",
    "\"items\": ",
    "\"maxLength\": 3",
    "\"minItems\": 2",
    "true",
    "[^a-c]",
    "{1,100}",
    ".*",
    "\\d",
    "\\",
    "|",
    "$",
    "^",
    "(?i:",
    "\"enum\": [1, \"a\"]",
    "\"required\": [\"a\"]",
    "\"a\": ",
};

bool proper(const pellucid::Error& error) {
  return pellucid::test::proper(error, {ErrorCode::kUsage, ErrorCode::kLimit});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::string> tokens = pellucid::bridge::small_tokens();
  static const auto vocabulary = pellucid::bridge::vocabulary_of(tokens);
  FuzzInput input(data, size);
  const auto kind = static_cast<GuideKind>(input.below(4));
  auto guide = Guide::compile(vocabulary, kind, std::vector{input.text_of(kPieces, 100)});
  if (!guide.ok()) {
    if (!proper(guide.error())) std::abort();
    return 0;
  }
  for (int i = 0; i < 20; ++i) {
    Guide copy = guide.value();
    const auto allowed = guide.value().allowed();
    if (!allowed.ok() && !proper(allowed.error())) std::abort();
    if (!allowed.ok()) return 0;
    const uint32_t token = input.below(static_cast<uint32_t>(tokens.size()));
    const auto taken = copy.take(static_cast<int32_t>(token));
    const bool refused = !taken.ok() && taken.error().code == ErrorCode::kUsage;
    if (taken.ok() && !pellucid::bridge::holds(allowed.value(), token)) std::abort();
    if (refused && pellucid::bridge::holds(allowed.value(), token)) std::abort();
    if (!taken.ok() && !proper(taken.error())) std::abort();
    if (taken.ok()) guide.value() = copy;
  }
  return 0;
}
