// Tiny models with random weights, as GGUF bytes: enough to run every part of the forward pass in
// milliseconds.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gguf/builder.h"
#include "kernels/packed.h"

namespace pellucid::model::test {

using gguf::test::Builder;
using gguf::test::Bytes;

struct TinyOptions {
  std::string architecture = "llama";
  TensorType type = TensorType::kF32;   // of the matrices
  std::optional<TensorType> down_type;  // of ffn_down, where that is another one
  uint32_t n_layers = 2;
  uint32_t n_embd = 256;  // a multiple of 256, so that every type fits
  uint32_t n_heads = 4;
  uint32_t n_kv_heads = 2;
  uint32_t head_dim = 64;
  uint32_t n_ff = 256;
  uint32_t n_vocab = 264;
  uint32_t n_ctx = 512;
  uint32_t window = 0;
  std::set<std::string> leave_out;           // names of tensors and keys that the file lacks
  std::function<void(Builder&)> vocabulary;  // adds n_vocab tokens; empty: add_vocabulary()
  std::function<void(Builder&)> more;        // adds whatever else the file shall hold
};

/// Random blocks of a type: any bits in the integers, small sane scales.
inline Bytes random_matrix(std::mt19937& random, TensorType type, size_t n_values) {
  const TensorTypeInfo& row = info(type);
  Bytes bytes(n_values / row.block_values * row.block_bytes);
  if (row.block_values == 1) {
    std::normal_distribution<float> normal(0.0f, 0.06f);
    for (size_t i = 0; i < n_values; ++i) {
      const float value = normal(random);
      const uint16_t half = kernels::float_to_half(value);
      uint32_t bits = 0;
      std::memcpy(&bits, &value, 4);
      const auto brain = static_cast<uint16_t>(bits >> 16);
      if (type == TensorType::kF32) std::memcpy(&bytes[i * 4], &value, 4);
      if (type == TensorType::kF16) std::memcpy(&bytes[i * 2], &half, 2);
      if (type == TensorType::kBF16) std::memcpy(&bytes[i * 2], &brain, 2);
    }
    return bytes;
  }
  for (std::byte& b : bytes) b = static_cast<std::byte>(random() & 0xFF);
  const auto put_half = [&](size_t at, float value) {
    const uint16_t half = kernels::float_to_half(value);
    std::memcpy(&bytes[at], &half, 2);
  };
  // Where each type keeps its scales (ggml-common.h): first, or last for Q2_K, Q3_K and Q6_K.
  for (size_t block = 0; block < bytes.size(); block += row.block_bytes) {
    switch (type) {
      case TensorType::kQ2_K:
        put_half(block + 80, 0.004f);
        put_half(block + 82, 0.006f);
        break;
      case TensorType::kQ3_K:
        put_half(block + 108, 0.0008f);
        break;
      case TensorType::kQ6_K:
        put_half(block + 208, 0.00005f);
        break;
      case TensorType::kQ4_K:
      case TensorType::kQ5_K:
        put_half(block, 0.0002f);
        put_half(block + 2, 0.0015f);
        break;
      case TensorType::kQ4_1:
      case TensorType::kQ5_1:
        put_half(block, 0.01f);
        put_half(block + 2, type == TensorType::kQ4_1 ? -0.075f : -0.15f);
        break;
      default:
        put_half(block, type == TensorType::kQ8_0 || type == TensorType::kIQ4_NL ? 0.0008f : 0.008f);
    }
  }
  return bytes;
}

/// A GPT-2 style vocabulary: 256 bytes, then special tokens <s0>, <s1>, ...
inline void add_vocabulary(Builder& builder, uint32_t n_vocab) {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  uint32_t shifted = 0;
  const auto utf8 = [](uint32_t c) {
    if (c < 0x80) return std::string(1, static_cast<char>(c));
    return std::string{static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  };
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    tokens.push_back(utf8(printable ? byte : 256 + shifted++));
    types.push_back(1);
  }
  for (uint32_t i = 256; i < n_vocab; ++i) {
    tokens.push_back("<s" + std::to_string(i - 256) + ">");
    types.push_back(3);
  }
  builder.string("tokenizer.ggml.model", "gpt2").string("tokenizer.ggml.pre", "gpt-2");
  builder.strings("tokenizer.ggml.tokens", tokens).ints("tokenizer.ggml.token_type", types);
  builder.strings("tokenizer.ggml.merges", {});
  if (n_vocab > 256) builder.u32("tokenizer.ggml.eos_token_id", 256);
}

/// The tensors of one tiny model.
class TinyModel {
 public:
  explicit TinyModel(TinyOptions options) : o_(std::move(options)) {}

  Bytes bytes() {
    const bool gpt2 = o_.architecture == "gpt2";
    hyperparameters();
    if (o_.vocabulary) {
      o_.vocabulary(builder_);
    } else {
      add_vocabulary(builder_, o_.n_vocab);
    }
    if (o_.more) o_.more(builder_);
    matrix("token_embd.weight", o_.n_embd, o_.n_vocab);
    if (gpt2) matrix("position_embd.weight", o_.n_embd, o_.n_ctx);
    for (uint32_t i = 0; i < o_.n_layers; ++i) layer("blk." + std::to_string(i) + ".");
    norm("output_norm", o_.n_embd);
    return builder_.bytes();
  }

 private:
  void hyperparameters() {
    const std::string a = o_.architecture + ".";
    builder_.string("general.architecture", o_.architecture);
    u32(a + "block_count", o_.n_layers);
    u32(a + "embedding_length", o_.n_embd);
    u32(a + "context_length", o_.n_ctx);
    u32(a + "feed_forward_length", o_.n_ff);
    u32(a + "attention.head_count", o_.n_heads);
    u32(a + "attention.head_count_kv", o_.n_kv_heads);
    u32(a + "attention.key_length", o_.head_dim);
    u32(a + "attention.value_length", o_.head_dim);
    if (o_.window != 0) u32(a + "attention.sliding_window", o_.window);
    builder_.f32(
        a + (o_.architecture == "gpt2" ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"),
        1e-5f);
  }

  void layer(const std::string& blk) {
    const uint32_t q = o_.n_heads * o_.head_dim;
    const uint32_t kv = o_.n_kv_heads * o_.head_dim;
    const bool gpt2 = o_.architecture == "gpt2";
    norm(blk + "attn_norm", o_.n_embd);
    if (gpt2) {
      linear(blk + "attn_qkv", o_.n_embd, q + 2 * kv);
    } else {
      linear(blk + "attn_q", o_.n_embd, q);
      linear(blk + "attn_k", o_.n_embd, kv);
      linear(blk + "attn_v", o_.n_embd, kv);
      linear(blk + "ffn_gate", o_.n_embd, o_.n_ff);
    }
    if (o_.architecture == "qwen3" || o_.architecture == "gemma3") {
      norm(blk + "attn_q_norm", o_.head_dim);
      norm(blk + "attn_k_norm", o_.head_dim);
    }
    linear(blk + "attn_output", q, o_.n_embd);
    norm(blk + "ffn_norm", o_.n_embd);
    linear(blk + "ffn_up", o_.n_embd, o_.n_ff);
    linear(blk + "ffn_down", o_.n_ff, o_.n_embd);
    if (o_.architecture == "gemma3") {
      norm(blk + "post_attention_norm", o_.n_embd);
      norm(blk + "post_ffw_norm", o_.n_embd);
    }
  }

  void u32(const std::string& key, uint32_t value) {
    if (!o_.leave_out.contains(key)) builder_.u32(key, value);
  }

  void matrix(const std::string& name, uint32_t n_cols, uint32_t n_rows) {
    if (o_.leave_out.contains(name)) return;
    const bool is_down = name.find("ffn_down") != std::string::npos;
    const TensorType type = is_down ? o_.down_type.value_or(o_.type) : o_.type;
    builder_.tensor(name, type, {n_cols, n_rows}, random_matrix(random_, type, size_t{n_cols} * n_rows));
  }

  void linear(const std::string& name, uint32_t n_cols, uint32_t n_rows) {
    matrix(name + ".weight", n_cols, n_rows);
    const bool biased = o_.architecture == "gpt2" ||
                        (o_.architecture == "qwen2" && name.find("attn_output") == std::string::npos &&
                         name.find("attn_") != std::string::npos);
    if (biased) vector(name + ".bias", n_rows, 0.0f);
  }

  void norm(const std::string& name, uint32_t n) {
    vector(name + ".weight", n, 1.0f);
    if (o_.architecture == "gpt2") vector(name + ".bias", n, 0.0f);
  }

  void vector(const std::string& name, uint32_t n, float mean) {
    if (o_.leave_out.contains(name)) return;
    std::normal_distribution<float> normal(mean, 0.1f);
    Bytes bytes(n * sizeof(float));
    for (uint32_t i = 0; i < n; ++i) {
      const float value = normal(random_);
      std::memcpy(&bytes[i * sizeof(float)], &value, sizeof(float));
    }
    builder_.tensor(name, TensorType::kF32, {n}, bytes);
  }

  TinyOptions o_;
  Builder builder_;
  std::mt19937 random_{20261124};
};

inline Bytes tiny_model(const TinyOptions& options) { return TinyModel(options).bytes(); }

}  // namespace pellucid::model::test
