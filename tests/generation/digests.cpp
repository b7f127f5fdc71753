// Continues a text with a small file of each tensor type and architecture and with both real models, and
// prints a hash of the raw logits of every step and the text: what `make neon` compares between machines.
// PELLUCID_SIMD chooses the level.
#include <cstdio>

#include "base/xxh64.h"
#include "generation/generate.h"
#include "generation/model_file.h"
#include "gguf/models.h"

namespace pellucid::generation {
namespace {

using model::test::TinyOptions;

// More than a page of the cache in words, which are tokens of the real models, and more than a span of
// attention in bytes, which are those of the small ones.
constexpr std::string_view kPrompt =
    "The hare laughed at the tortoise for her slow feet. The tortoise said that she would race him any day, "
    "and "
    "that she would win. They agreed on a course, and the fox named the goal. The hare was soon far ahead, "
    "and "
    "lay down to sleep, for he could pass her when he liked. The tortoise never stopped, but went on and on,";
constexpr int kSteps = 8;

Result<void> print(const std::string& name, const std::string& path, kernels::KvType kv_type) {
  PELLUCID_TRY(const auto engine, Engine::load(path, {.n_threads = 2, .n_ctx = 512, .kv_type = kv_type}));
  PELLUCID_TRY(const auto prompt, engine->tokenizer().encode(kPrompt, {}));
  std::printf("%s kv %d, %zu tokens:", name.c_str(), static_cast<int>(kv_type), prompt.size());
  const StepObserver hash = [](const StepView& step) {
    std::printf(" %016llx", static_cast<unsigned long long>(xxh64(step.logits)));
    return true;
  };
  Sequence sequence = engine->new_sequence();
  GenerateOptions options;
  options.max_tokens = kSteps;
  options.stop_at_end_of_turn = false;
  PELLUCID_TRY(const Generation text, generate(*engine, sequence, prompt, options, hash));
  for (const int32_t token : text.tokens) std::printf(" %d", token);
  std::printf("\n");
  return {};
}

Result<void> print_small(const std::string& name, const TinyOptions& tiny) {
  const test::ModelFile file(tiny);
  for (const auto kv_type : {kernels::KvType::kF16, kernels::KvType::kF32, kernels::KvType::kQ8_0}) {
    PELLUCID_CHECK(print(name, file.path(), kv_type));
  }
  return {};
}

Result<void> print_all() {
  for (const TensorTypeInfo& row : kTensorTypes) {
    PELLUCID_CHECK(print_small(std::string(row.name), {.type = row.type}));
  }
  for (const std::string architecture : {"qwen2", "qwen3", "gemma3", "gpt2"}) {
    TinyOptions tiny{.architecture = architecture, .type = TensorType::kQ8_0};
    if (architecture == "gemma3") tiny.window = 20;
    if (architecture == "gpt2") tiny.n_kv_heads = tiny.n_heads;
    PELLUCID_CHECK(print_small(architecture, tiny));
  }
  for (const char* name : {pellucid::test::kSmolLM2, pellucid::test::kGemma3}) {
    const auto path = pellucid::test::find_model(name);
    if (!path) return Error{ErrorCode::kIo, name, "the model is not in the cache"};
    PELLUCID_CHECK(print(name, *path, kernels::KvType::kF16));
  }
  return {};
}

}  // namespace
}  // namespace pellucid::generation

int main() {
  const auto done = pellucid::generation::print_all();
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().message().c_str());
  return done.ok() ? 0 : 1;
}
