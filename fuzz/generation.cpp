// Any bytes as a model: refused with one proper error, or loaded and run for four tokens. Seeds are tiny
// models, which need -max_len=131072.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "generation/hostile_models.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

/// Starts from a valid file of some architecture, so that no seeds need to be kept.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  constexpr const char* kArchitectures[] = {"llama", "qwen2", "qwen3", "gemma3", "gpt2"};
  constexpr size_t kSmallest = 1000;
  if (size >= kSmallest) return LLVMFuzzerMutate(data, size, max_size);
  const auto type = seed % 2 == 0 ? pellucid::TensorType::kQ8_0 : pellucid::TensorType::kF32;
  const auto file = pellucid::generation::test::tiny_file(kArchitectures[seed / 2 % 5], type);
  if (max_size < file.size()) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, file.data(), file.size());
  return file.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto outcome = pellucid::generation::test::run_model(std::as_bytes(std::span(data, size)));
  if (!outcome.problem.empty()) {
    std::fprintf(stderr, "%s\n", outcome.problem.c_str());
    std::abort();
  }
  return 0;
}
