// Any bytes as a trace: refused with the line, or read, and then it holds together and is written the same.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "trace/sample_trace.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

/// Starts from a trace, so that no seeds need to be kept: of the header alone, or all of it.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  static const auto kLines = pellucid::trace::test::lines_of(pellucid::trace::test::sample_trace());
  constexpr size_t kSmallest = 1000;
  if (size >= kSmallest) return LLVMFuzzerMutate(data, size, max_size);
  std::string text;
  for (size_t i = 0; i <= seed % kLines.size(); ++i) {
    if (text.size() + kLines[i].size() < max_size) text += kLines[i] + '\n';
  }
  if (text.empty()) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, text.data(), text.size());
  return text.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string problem =
      pellucid::trace::test::check_reading({reinterpret_cast<const char*>(data), size});
  if (!problem.empty()) {
    std::fprintf(stderr, "%s\n", problem.c_str());
    std::abort();
  }
  return 0;
}
