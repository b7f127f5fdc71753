// Any bytes as a GGUF file: parsed or refused with one proper error, and what is parsed holds together.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "gguf/check_file.h"
#include "gguf/sample_file.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

/// Starts from a valid file, so that no seeds need to be kept.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned /*seed*/) {
  static const pellucid::gguf::test::Bytes kSample = pellucid::gguf::test::sample_file();
  constexpr size_t kHeaderBytes = 24;
  if (size >= kHeaderBytes || max_size < kSample.size()) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, kSample.data(), kSample.size());
  return kSample.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string problem = pellucid::gguf::test::check_parse(std::as_bytes(std::span(data, size)));
  if (!problem.empty()) {
    std::fprintf(stderr, "%s\n", problem.c_str());
    std::abort();
  }
  return 0;
}
