// A small valid file to damage, for the corpus test and the fuzzer.
#pragma once

#include "gguf/builder.h"

namespace pellucid::gguf::test {

/// A file with every value type, every array, and tensors of several types and ranks.
inline Bytes sample_file() {
  Builder builder;
  builder.string("general.architecture", "llama").alignment(32).u32("llama.block_count", 2);
  builder.scalar<uint8_t>("u8", ValueType::kUint8, 1).scalar<int8_t>("i8", ValueType::kInt8, -1);
  builder.scalar<uint16_t>("u16", ValueType::kUint16, 1).scalar<int16_t>("i16", ValueType::kInt16, -1);
  builder.scalar<uint64_t>("u64", ValueType::kUint64, 1).scalar<int64_t>("i64", ValueType::kInt64, -1);
  builder.i32("i32", -1).f32("llama.rope.freq_base", 10000).scalar<double>("f64", ValueType::kFloat64, 0.5);
  builder.boolean("tokenizer.ggml.add_bos_token", true);
  builder.strings("tokenizer.ggml.tokens", {"<s>", "</s>", "a", "\xe4\xbd\xa0", ""});
  builder.floats("tokenizer.ggml.scores", {0, -1, -2, -3, -4})
      .ints("tokenizer.ggml.token_type", {3, 3, 1, 1, 1});
  builder.array<uint8_t>("bools", ValueType::kBool, {0, 1, 1})
      .array<uint64_t>("u64s", ValueType::kUint64, {1, 2});
  builder.zeros("token_embd.weight", TensorType::kQ4_0, {32, 5}).zeros("norm", TensorType::kF32, {32});
  builder.zeros("rank3", TensorType::kF16, {2, 3, 4}).zeros("rank4", TensorType::kQ8_0, {32, 2, 1, 2});
  builder.zeros("k", TensorType::kQ4_K, {256});
  return builder.bytes();
}

}  // namespace pellucid::gguf::test
