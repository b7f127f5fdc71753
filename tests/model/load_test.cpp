// What loading refuses, and that it says which key or tensor is at fault.
#include <gtest/gtest.h>

#include "model/architectures.h"
#include "model/model.h"
#include "model/tiny_model.h"

namespace pellucid::model {
namespace {

using test::TinyOptions;

/// The error of loading these bytes, or "" where they load.
std::string load_error(const gguf::test::Bytes& bytes) {
  const Result<gguf::File> file = gguf::File::parse(bytes);
  if (!file.ok()) return file.error().message();
  const Result<ArchSpec> spec = describe(file.value());
  if (!spec.ok()) return spec.error().message();
  ThreadPool pool(1);
  const auto model = Model::load(file.value(), spec.value(), *kernels::available_tables().back(),
                                 kernels::Precision::kNative, pool);
  return model.ok() ? "" : model.error().message();
}

std::string load_error(const TinyOptions& options) { return load_error(test::tiny_model(options)); }

TEST(Load, EveryArchitectureLoads) {
  for (const Architecture& architecture : architectures()) {
    TinyOptions options;
    options.architecture = architecture.name;
    if (architecture.name == "gpt2") options.n_kv_heads = options.n_heads;
    EXPECT_EQ(load_error(options), "") << architecture.name;
  }
}

TEST(Load, AnUnknownArchitectureIsNamedWithThoseSupported) {
  TinyOptions options;
  options.architecture = "mamba";
  EXPECT_EQ(load_error(options),
            "unsupported architecture: 'mamba' (supported: llama, qwen2, qwen3, gemma3, gpt2)");
}

TEST(Load, AMissingTensorIsNamed) {
  for (const char* name :
       {"token_embd.weight", "blk.1.ffn_down.weight", "output_norm.weight", "blk.0.attn_norm.weight"}) {
    TinyOptions options;
    options.leave_out = {name};
    EXPECT_EQ(load_error(options), std::string("missing tensor: ") + name);
  }
}

TEST(Load, AMissingHyperparameterIsNamed) {
  for (const char* key : {"llama.block_count", "llama.embedding_length", "llama.context_length",
                          "llama.feed_forward_length", "llama.attention.head_count"}) {
    TinyOptions options;
    options.leave_out = {key};
    EXPECT_NE(load_error(options).find(key), std::string::npos) << load_error(options);
  }
}

/// The error of loading the default tiny model with one hyperparameter changed.
std::string load_error_with(const std::string& key, uint32_t value) {
  gguf::test::Bytes bytes = test::tiny_model({});
  const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t at = all.find(key);
  EXPECT_NE(at, std::string::npos);
  std::memcpy(&bytes[at + key.size() + sizeof(uint32_t)], &value, sizeof(value));  // after the key, its type
  return load_error(bytes);
}

TEST(Load, HyperparametersOutOfRangeAreRefusedByName) {
  for (const char* key :
       {"llama.block_count", "llama.embedding_length", "llama.context_length", "llama.feed_forward_length",
        "llama.attention.head_count", "llama.attention.head_count_kv", "llama.attention.key_length"}) {
    for (const uint32_t value : {0U, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFFU}) {
      EXPECT_NE(load_error_with(key, value).find(key), std::string::npos) << key << " " << value;
    }
  }
  EXPECT_NE(load_error_with("llama.attention.head_count_kv", 3).find("does not divide"), std::string::npos);
  EXPECT_NE(load_error_with("llama.attention.key_length", 40).find("multiples of 16"), std::string::npos);
}

TEST(Load, AShapeThatContradictsTheHyperparametersIsRefused) {
  EXPECT_NE(load_error_with("llama.feed_forward_length", 512).find("blk.0.ffn_gate.weight"),
            std::string::npos);
  EXPECT_NE(load_error_with("llama.block_count", 3).find("missing tensor: blk.2.attn_norm.weight"),
            std::string::npos);
  EXPECT_NE(load_error_with("llama.block_count", 1).find("has no place for it"), std::string::npos);
}

}  // namespace
}  // namespace pellucid::model
