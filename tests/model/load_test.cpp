// What loading refuses, and that it says which key or tensor is at fault.
#include <gtest/gtest.h>

#include "model/architectures.h"
#include "model/model.h"
#include "model/tiny_model.h"

namespace pellucid::model {
namespace {

using test::TinyOptions;

/// The error of loading a tiny model, or "" where it loads.
std::string load_error(const TinyOptions& options) {
  const gguf::test::Bytes bytes = test::tiny_model(options);
  const Result<gguf::File> file = gguf::File::parse(bytes);
  if (!file.ok()) return file.error().message();
  const Result<ArchSpec> spec = describe(file.value());
  if (!spec.ok()) return spec.error().message();
  ThreadPool pool(1);
  const auto model = Model::load(file.value(), spec.value(), *kernels::available_tables().back(),
                                 kernels::Precision::kNative, pool);
  return model.ok() ? "" : model.error().message();
}

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

TEST(Load, ZeroAndIndivisibleHyperparametersAreRefused) {
  TinyOptions options;
  options.n_heads = 0;
  EXPECT_NE(load_error(options).find("llama.attention.head_count"), std::string::npos);
  options = {};
  options.n_kv_heads = 3;
  EXPECT_NE(load_error(options).find("head_count_kv"), std::string::npos);
  options = {};
  options.head_dim = 40;
  EXPECT_NE(load_error(options).find("multiples of 16"), std::string::npos);
  options = {};
  options.n_layers = 0;
  EXPECT_NE(load_error(options).find("block_count"), std::string::npos);
}

TEST(Load, AShapeThatContradictsTheHyperparametersIsRefused) {
  gguf::test::Bytes bytes = test::tiny_model({});
  // The same file, but for one hyperparameter: 512 where the tensors have 256.
  const std::string key = "llama.feed_forward_length";
  const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t at = all.find(key);
  ASSERT_NE(at, std::string::npos);
  const uint32_t value = 512;
  std::memcpy(&bytes[at + key.size() + 4], &value, 4);
  const Result<gguf::File> file = gguf::File::parse(bytes);
  ASSERT_TRUE(file.ok());
  const Result<ArchSpec> spec = describe(file.value());
  ASSERT_TRUE(spec.ok());
  ThreadPool pool(1);
  const auto model = Model::load(file.value(), spec.value(), *kernels::available_tables().back(),
                                 kernels::Precision::kNative, pool);
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().message().find("blk.0.ffn_gate.weight"), std::string::npos)
      << model.error().message();
}

}  // namespace
}  // namespace pellucid::model
