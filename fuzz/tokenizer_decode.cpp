// Any ids through decode(), and any bytes in any portions through Utf8Stream: well-formed text, the same for
// every way of cutting it.
#include <cstdint>
#include <string>
#include <vector>

#include "tokenizer/fuzz_input.h"
#include "tokenizer/small_models.h"
#include "tokenizer/utf8_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pellucid::tokenizer;
  static const test::Small kBytes = test::make(test::byte_level_keys());
  static const test::Small kSpm = test::make(test::spm_keys());
  test::FuzzInput input(data, size);
  std::vector<int32_t> ids;
  for (uint32_t n = input.below(64); n > 0; --n) ids.push_back(static_cast<int32_t>(input.below(400)) - 20);
  for (const test::Small* small : {&kBytes, &kSpm}) {
    std::string pieces;
    for (const int32_t id : ids) pieces += small->tokenizer.piece(id);
    std::string text = small->tokenizer.decode(ids, true);
    if (text != pieces && " " + text != pieces && text.size() + 1 != pieces.size())
      test::fail("decode and piece differ");
  }
  const std::string bytes = input.text(256);
  Utf8Stream whole;
  std::string expected = whole.push(bytes);
  expected += whole.finish();
  Utf8Stream stream;
  std::string found;
  for (size_t at = 0; at < bytes.size();) {
    const size_t n = 1 + input.below(5);
    const std::string part = stream.push(std::string_view(bytes).substr(at, n));
    if (!test::is_well_formed(part)) test::fail("half a character");
    found += part;
    at += n;
  }
  found += stream.finish();
  if (found != expected || !test::is_well_formed(found)) test::fail("the cut changes the text");
  return 0;
}
