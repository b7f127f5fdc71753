// Bad input for the whole path: damaged model files through tokenizer, description, weights, forward pass and
// sampling. Each ends in one proper error or in tokens, soon and in little memory; sanitizers watch the rest.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <unordered_set>
#include <vector>

#include "generation/hostile_models.h"
#include "gguf/allocations.h"
#include "gguf/damage.h"
#include "model/architectures.h"
#include "resources.h"

namespace pellucid::generation::test {
namespace {

using gguf::test::EntryPlace;
using gguf::test::Field;
using gguf::test::FieldWalker;
using End = Outcome::End;
using pellucid::test::cpu_seconds;

uint64_t fnv1a(std::span<const std::byte> bytes) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const std::byte b : bytes) hash = (hash ^ static_cast<uint64_t>(b)) * 0x100000001B3;
  return hash;
}

/// Runs files, each only once, and counts how they end.
class Trial {
 public:
  void run(const Bytes& file) {
    if (!seen_.insert(fnv1a(file)).second) return;
    const uint64_t before = pellucid::test::allocated_bytes();
    const double start = cpu_seconds();
    const Outcome outcome = run_model(file);
    slowest_ = std::max(slowest_, cpu_seconds() - start);
    most_allocated_ = std::max(most_allocated_, pellucid::test::allocated_bytes() - before);
    ++ends_[static_cast<size_t>(outcome.end)];
    EXPECT_EQ(outcome.problem, "");
  }

  /// What holds of all of them together. Returns the number of files.
  size_t finish(const char* name) const {
    std::printf("%s: %zu files: %zu refused, %zu not numbers, %zu generated; slowest %.3f s, most %zu KiB\n",
                name, seen_.size(), ends_[0], ends_[1], ends_[2], slowest_, most_allocated_ >> 10);
    constexpr uint64_t kMostAllocated = uint64_t{16} << 20;
    EXPECT_LT(slowest_, 1.0);
    EXPECT_LT(most_allocated_, kMostAllocated);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    EXPECT_LT(usage.ru_maxrss, 2 << 20);  // KiB; a sanitizer keeps what is freed for a while
    EXPECT_GT(ends_[0], 0U);
    EXPECT_GT(ends_[2], 0U);
    return seen_.size();
  }

 private:
  std::unordered_set<uint64_t> seen_;
  size_t ends_[3] = {};
  double slowest_ = 0;
  uint64_t most_allocated_ = 0;
};

class Hostile : public ::testing::TestWithParam<std::string> {};

TEST_P(Hostile, UndamagedItGenerates) {
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16, TensorType::kQ8_0}) {
    const Outcome outcome = run_model(tiny_file(GetParam(), type));
    EXPECT_EQ(outcome.problem, "");
    EXPECT_EQ(outcome.end, End::kGenerated) << outcome.message;
  }
}

TEST_P(Hostile, EveryFieldAtEveryBoundary) {
  Bytes file = tiny_file(GetParam(), TensorType::kQ8_0);
  const FieldWalker walker(file);
  Trial trial;
  for (const Field& field : walker.fields()) {
    const Bytes original(file.begin() + static_cast<std::ptrdiff_t>(field.offset),
                         file.begin() + static_cast<std::ptrdiff_t>(field.offset + field.width));
    for (const uint64_t value : gguf::test::field_values(field, file)) {
      std::memcpy(file.data() + field.offset, &value, field.width);
      trial.run(file);
      std::memcpy(file.data() + field.offset, original.data(), field.width);
    }
  }
  EXPECT_GT(trial.finish(GetParam().c_str()), 5000U);
}

TEST_P(Hostile, EveryEntryLeftOutTwiceOfAnotherTypeAndWithAnotherArray) {
  const Bytes file = tiny_file(GetParam(), TensorType::kF32);
  const FieldWalker walker(file);
  Trial trial;
  for (const EntryPlace& place : walker.entries()) {
    for (const Bytes& edited : gguf::test::entry_edits(file, place, walker.header_bytes())) trial.run(edited);
  }
  EXPECT_GT(trial.finish(GetParam().c_str()), 1000U);
}

/// Rows that no vector fills, and the smallest ones.
TEST_P(Hostile, OddWidths) {
  for (const uint32_t n_embd : {1U, 2U, 15U, 17U, 33U}) {
    for (const uint32_t n_ff : {1U, 7U, 31U, 65U}) {
      for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16}) {
        model::test::TinyOptions options = tiny_options(GetParam(), type);
        options.n_embd = n_embd;
        options.n_ff = n_ff;
        const Outcome outcome = run_model(model::test::tiny_model(options));
        EXPECT_EQ(outcome.problem, "");
        EXPECT_EQ(outcome.end, End::kGenerated) << n_embd << " " << n_ff << " " << outcome.message;
      }
    }
  }
}

/// A file of 12 MB may ask for rows of a million floats: the prompt is then cut so that its activations stay
/// small, and the cut changes nothing.
TEST(HostileWidth, APromptOfAWideModelRunsInLittleMemory) {
  model::test::TinyOptions options = tiny_options("llama", TensorType::kF32);
  options.n_embd = 1;
  options.n_ff = 1U << 20;
  options.n_ctx = 256;
  const Bytes file = model::test::tiny_model(options);
  std::vector<float> logits[2];
  for (const int prefill_chunk : {1, 4096}) {
    auto parsed = gguf::File::parse(file);
    ASSERT_TRUE(parsed.ok());
    auto engine = Engine::from(std::move(parsed).value(), {.n_threads = 1, .prefill_chunk = prefill_chunk});
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    const std::vector<int32_t> prompt(150, 5);
    size_t chunks = 0;
    Sequence sequence = engine.value()->new_sequence();
    const auto keep = [&](int, std::span<const float> row, int) -> Result<void> {
      logits[prefill_chunk == 1 ? 0 : 1].assign(row.begin(), row.end());
      return {};
    };
    ASSERT_TRUE(engine.value()
                    ->extend(sequence, prompt, Want::kLast, keep, {}, [&] { return ++chunks, false; })
                    .ok());
    const size_t bytes = model::Scratch::float_bytes_of_token(engine.value()->model().spec);
    EXPECT_GT(bytes * prompt.size(), size_t{512} << 20) << "else this tests nothing";
    EXPECT_LE(bytes * (prompt.size() / chunks), size_t{256} << 20);
    EXPECT_EQ(chunks == prompt.size(), prefill_chunk == 1);
  }
  EXPECT_EQ(std::memcmp(logits[0].data(), logits[1].data(), logits[0].size() * sizeof(float)), 0);
}

TEST(HostileWidth, ScratchIsAsLargeAsItSays) {
  for (const char* architecture : {"llama", "gemma3", "gpt2"}) {
    for (const uint32_t n_ff : {32U, 65U, 4096U}) {
      model::test::TinyOptions options = tiny_options(architecture, TensorType::kF32);
      options.n_ff = n_ff;
      const Bytes file = model::test::tiny_model(options);
      const auto parsed = gguf::File::parse(file);
      ASSERT_TRUE(parsed.ok());
      const auto spec = model::describe(parsed.value());
      ASSERT_TRUE(spec.ok());
      for (const int n : {7, 70}) {
        const model::Scratch s(spec.value(), n);
        const size_t floats = s.x.size() + s.h.size() + s.q.size() + s.k.size() + s.v.size() +
                              s.mixed.size() + s.hidden.size() + s.cos.size() + s.sin.size();
        EXPECT_EQ(4 * floats, n * model::Scratch::float_bytes_of_token(spec.value())) << architecture;
        EXPECT_LE(s.up.size(), size_t{16} * n_ff);
      }
    }
  }
}

/// Sets `bits` at the first, a middle and the last place of each tensor in turn.
template <typename Check>
void damage_weights(Bytes& file, size_t step, size_t width, uint64_t bits, const Check& check) {
  const auto parsed = gguf::File::parse(file);
  ASSERT_TRUE(parsed.ok());
  for (const gguf::Tensor& tensor : parsed.value().tensors()) {
    if (info(tensor.type).block_bytes != step) continue;
    const size_t n = tensor.data.size() / step;
    for (const size_t i : {size_t{0}, n / 2, n - 1}) {
      std::byte* at = file.data() + (tensor.data.data() - file.data()) + i * step;
      std::byte kept[8];
      std::memcpy(kept, at, width);
      std::memcpy(at, &bits, width);
      const Outcome outcome = run_model(file);
      check(tensor, outcome);
      std::memcpy(at, kept, width);
    }
  }
}

/// At every SIMD level; the matrices hold float32 here, or halves before each block's codes.
TEST_P(Hostile, WeightsThatAreNotNumbers) {
  size_t not_numbers = 0;
  const auto check = [&](const gguf::Tensor& tensor, const Outcome& outcome) {
    EXPECT_EQ(outcome.problem, "") << tensor.name;
    not_numbers += outcome.end == End::kNotNumbers ? 1 : 0;
    if (outcome.end == End::kRefused) {
      EXPECT_EQ(tensor.dims[1], 1U) << "a matrix is not searched: " << outcome.message;
      EXPECT_NE(outcome.message.find("is not finite"), std::string::npos) << outcome.message;
    }
  };
  for (const kernels::KernelTable* table : kernels::available_tables()) {
    ::setenv("PELLUCID_SIMD", std::string(table->name).c_str(), 1);
    Bytes floats = tiny_file(GetParam(), TensorType::kF32);
    for (const uint64_t bits : gguf::test::float_bits<float>()) damage_weights(floats, 4, 4, bits, check);
    Bytes blocks = tiny_file(GetParam(), TensorType::kQ8_0);
    for (const uint64_t half : {0x7E00U, 0xFE00U, 0x7C00U, 0xFC00U, 0x7BFFU, 0x0001U}) {
      damage_weights(blocks, 34, 2, half, check);
    }
  }
  ::unsetenv("PELLUCID_SIMD");
  EXPECT_GT(not_numbers, 0U);
}

/// A file with another value, its type in front, under one key; added where the file lacks the key.
Bytes with_value(const Bytes& file, const std::string& key, const Bytes& value) {
  const FieldWalker walker(file);
  for (const EntryPlace& place : walker.entries()) {
    if (place.key == key)
      return gguf::test::splice(file, walker.header_bytes(), place.type, place.end, value);
  }
  Bytes entry = gguf::test::string_bytes(key);
  gguf::test::append(entry, value);
  const size_t end = walker.entries().back().end;
  Bytes edited = gguf::test::splice(file, walker.header_bytes(), end, end, entry);
  gguf::test::add_to_entry_count(edited, 1);
  return edited;
}

Bytes with_u32(const Bytes& file, const std::string& key, uint32_t number) {
  Bytes value = gguf::test::bytes_of(uint32_t{4});
  gguf::test::append(value, gguf::test::bytes_of(number));
  return with_value(file, key, value);
}

Bytes with_f32(const Bytes& file, const std::string& key, float number) {
  Bytes value = gguf::test::bytes_of(uint32_t{6});
  gguf::test::append(value, gguf::test::bytes_of(number));
  return with_value(file, key, value);
}

void expect_refused(const Bytes& file, std::string_view word) {
  const Outcome outcome = run_model(file);
  EXPECT_EQ(outcome.problem, "");
  EXPECT_EQ(outcome.end, End::kRefused) << word;
  EXPECT_NE(outcome.message.find(word), std::string::npos) << outcome.message << " has no " << word;
}

// What brought other engines down, by the report (llama.cpp unless said otherwise).

TEST_P(Hostile, HeadCountZero_Issue2247) {
  const Bytes file = tiny_file(GetParam(), TensorType::kF32);
  for (const char* key :
       {"attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length",
        "embedding_length", "feed_forward_length", "block_count", "context_length"}) {
    for (const uint32_t value : {0U, UINT32_MAX})
      expect_refused(with_u32(file, GetParam() + "." + key, value), key);
  }
  expect_refused(with_u32(file, GetParam() + ".attention.head_count_kv", 4), "head_count_kv");
}

TEST_P(Hostile, BlockCountBeyondEveryCap_PR25821) {
  const Bytes file = tiny_file(GetParam(), TensorType::kF32);
  for (const uint32_t value : {2U, 512U, 513U, 1024U}) {
    expect_refused(with_u32(file, GetParam() + ".block_count", value), "missing tensor");
  }
  for (const uint32_t value : {1025U, 65536U, 0x7FFFFFFFU}) {
    expect_refused(with_u32(file, GetParam() + ".block_count", value), "block_count");
  }
}

TEST_P(Hostile, RotaryDimensionsEpsilonAndBase_Issue2247) {
  const Bytes file = tiny_file(GetParam(), TensorType::kF32);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const std::string eps = GetParam() + (GetParam() == "gpt2" ? ".attention.layer_norm_epsilon"
                                                             : ".attention.layer_norm_rms_epsilon");
  for (const float value : {nan, infinity, -infinity, -1e-5f, 0.0f, 1e30f}) {
    expect_refused(with_f32(file, eps, value), "epsilon");
    expect_refused(with_f32(file, GetParam() + ".rope.freq_base", value), "freq_base");
  }
  for (const uint32_t value : {0U, 1U, 15U, 17U, 18U, 0xFFFFFFFEU}) {
    expect_refused(with_u32(file, GetParam() + ".rope.dimension_count", value), "dimension_count");
  }
}

TEST_P(Hostile, SpecialIdsOfTinyVocabularies_PR14145) {
  for (uint32_t size = 0; size <= 3; ++size) {
    for (const char* name :
         {"bos_token_id", "eos_token_id", "eot_token_id", "eom_token_id", "unknown_token_id"}) {
      for (const uint32_t id : {0U, 2U, 3U, 11U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
        model::test::TinyOptions options = tiny_options(GetParam(), TensorType::kF32);
        options.n_vocab = size;
        options.vocabulary = [&](Builder& builder) {
          tokenizer::test::Keys keys{.model = GetParam() == "gemma3" ? "llama" : "gpt2"};
          for (uint32_t i = 0; i < size; ++i)
            keys.add(std::string(1, static_cast<char>('a' + i)), i == 0 ? 2 : 1);
          keys.ids = {{name, id}};
          keys.add_to(builder);
        };
        const Outcome outcome = run_model(model::test::tiny_model(options));
        EXPECT_EQ(outcome.problem, "");
        if (size == 0 || id >= size) {
          EXPECT_EQ(outcome.end, End::kRefused) << size << " " << name << " " << id;
        } else if (GetParam() != "gemma3") {  // which needs a token for every byte, or an unknown one
          EXPECT_EQ(outcome.end, End::kGenerated) << outcome.message;
        }
      }
    }
  }
}

TEST(HostileTokens, ByteTokensThatAreNoBytes_Issue27226) {
  for (const char* text : {"<0x-1>", "<0xZZ>", "<0x+1>", "<0x 1>", "<0x100>", "<0x>", ""}) {
    model::test::TinyOptions options = tiny_options("gemma3", TensorType::kF32);
    options.vocabulary = [&](Builder& builder) {
      tokenizer::test::Keys keys = tokenizer::test::spm_keys();
      keys.tokens[10] = text;
      keys.add_to(builder);
    };
    expect_refused(model::test::tiny_model(options), "byte token 10");
  }
}

TEST(HostileTokens, ArraysOfTheWrongElement_Issue24888) {
  const Bytes file = tiny_file("gemma3", TensorType::kF32);
  const size_t n = tokenizer::test::spm_keys().tokens.size();
  constexpr size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};
  for (const uint32_t element : {0U, 1U, 2U, 3U, 4U, 5U, 7U, 8U, 10U, 11U, 12U}) {
    const Bytes zeros(n * kSizes[element]);
    const Bytes array = gguf::test::array_value(element, n, zeros);
    expect_refused(with_value(file, "tokenizer.ggml.scores", array), "tokenizer.ggml.scores");
    if (element != 8)
      expect_refused(with_value(file, "tokenizer.ggml.tokens", array), "tokenizer.ggml.tokens");
    expect_refused(with_value(file, "tokenizer.ggml.token_type", array), "tokenizer.ggml.token_type");
  }
}

TEST_P(Hostile, RowsOfTheEmbeddingThatAreNotTheTokens) {
  for (const int more : {-1, 1, 16}) {
    model::test::TinyOptions options = tiny_options(GetParam(), TensorType::kF32);
    options.n_vocab = static_cast<uint32_t>(static_cast<int>(options.n_vocab) + more);
    expect_refused(model::test::tiny_model(options), "rows of token_embd.weight");
  }
}

/// The engine runs models whose chat template is no template: only chat needs one.
TEST_P(Hostile, ChatTemplatesThatAreGarbage) {
  const Bytes file = tiny_file(GetParam(), TensorType::kF32);
  for (const std::string& text : {std::string(), std::string("{{ x"), std::string("\0\x1b[2J", 5),
                                  std::string(200000, '('), std::string("\xff\xfe{% macro a() %}")}) {
    Bytes value = gguf::test::bytes_of(uint32_t{8});
    gguf::test::append(value, gguf::test::string_bytes(text));
    const Outcome outcome = run_model(with_value(file, "tokenizer.chat_template", value));
    EXPECT_EQ(outcome.problem, "");
    EXPECT_EQ(outcome.end, End::kGenerated) << outcome.message;
  }
}

TEST_P(Hostile, SamplingSettingsOfTheFileAreAnErrorOfTheFile) {
  const Bytes file = tiny_file(GetParam(), TensorType::kF32);
  for (const float value : {-1.0f, std::numeric_limits<float>::quiet_NaN(), 1e30f}) {
    expect_refused(with_f32(file, "general.sampling.temp", value), "general.sampling");
    expect_refused(with_f32(file, "general.sampling.top_p", value), "general.sampling");
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Hostile,
                         ::testing::Values("llama", "qwen2", "qwen3", "gemma3", "gpt2"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace pellucid::generation::test
