#include "model/hyperparameters.h"

#include <fmt/format.h>

#include <cmath>

#include "base/text.h"

namespace pellucid::model {
namespace {

// Caps far above any published model, low enough that products of two of them fit 64 bits with room.
constexpr int kMaxLayers = 1024;
constexpr int kMaxWidth = 1 << 20;
constexpr int kMaxHeads = 4096;
constexpr int kMaxHeadDim = 1024;
constexpr int kMaxContext = 1 << 28;
constexpr int kMaxVocabulary = 1 << 24;
constexpr float kSmallestEps = 1e-20f;

Error bad(const std::string& key, std::string why) {
  return {ErrorCode::kBadModel, fmt::format("cannot use '{}'", key), std::move(why)};
}

}  // namespace

std::string Hyperparameters::full(std::string_view key) const { return fmt::format("{}.{}", prefix_, key); }

Result<int> Hyperparameters::integer(std::string_view key, int low, int high) const {
  const std::string name = full(key);
  PELLUCID_TRY(const uint32_t value, file_->metadata().u32(name));
  if (value < static_cast<uint32_t>(low) || value > static_cast<uint32_t>(high)) {
    return bad(name, fmt::format("it is {}, not in {} .. {}", value, low, high));
  }
  return static_cast<int>(value);
}

Result<int> Hyperparameters::integer_or(std::string_view key, int low, int high, int fallback) const {
  if (!file_->metadata().contains(full(key))) return fallback;
  return integer(key, low, high);
}

Result<float> Hyperparameters::number_or(std::string_view key, float low, float high, float fallback) const {
  const std::string name = full(key);
  if (!file_->metadata().contains(name)) return fallback;
  PELLUCID_TRY(const float value, file_->metadata().f32(name));
  if (!(value >= low && value <= high)) {
    return bad(name, fmt::format("it is {}, not in {} .. {}", value, low, high));
  }
  return value;
}

Result<std::string_view> Hyperparameters::string_or(std::string_view key, std::string_view fallback) const {
  return file_->metadata().string_or(full(key), fallback);
}

Result<int> Hyperparameters::vocabulary() const {
  const gguf::Tensor* embedding = file_->find_tensor("token_embd.weight");
  if (embedding == nullptr) return Error{ErrorCode::kBadModel, "missing tensor", "token_embd.weight"};
  if (embedding->dims[1] > kMaxVocabulary) {
    return bad("token_embd.weight",
               fmt::format("it has {} rows, more than {}", embedding->dims[1], kMaxVocabulary));
  }
  return static_cast<int>(embedding->dims[1]);
}

Result<RopeSpec> Hyperparameters::rope(int head_dim) const {
  RopeSpec rope;
  PELLUCID_TRY(rope.n_rot, integer_or("rope.dimension_count", 2, head_dim, head_dim));
  if (rope.n_rot % 2 != 0) return bad(full("rope.dimension_count"), fmt::format("it is odd: {}", rope.n_rot));
  PELLUCID_TRY(rope.base, number_or("rope.freq_base", 1.0f, kMaxRopeBase, 10000.0f));
  PELLUCID_TRY(const std::string_view scaling, string_or("rope.scaling.type", "none"));
  if (scaling == "linear") {
    rope.scaling = RopeScaling::kLinear;
    PELLUCID_TRY(rope.factor, number_or("rope.scaling.factor", kMinRopeFactor, kMaxRopeFactor, 1.0f));
  } else if (scaling != "none") {
    return Error{
        ErrorCode::kUnsupported, fmt::format("cannot use '{}'", full("rope.scaling.type")),
        fmt::format("{} is not supported (supported: none, linear, rope_freqs.weight)", in_quotes(scaling))};
  }
  if (file_->find_tensor("rope_freqs.weight") != nullptr) rope.scaling = RopeScaling::kFactors;
  return rope;
}

Result<ArchSpec> Hyperparameters::common(NormKind norm) const {
  ArchSpec spec;
  spec.name = prefix_;
  PELLUCID_TRY(spec.n_layers, integer("block_count", 1, kMaxLayers));
  PELLUCID_TRY(spec.n_embd, integer("embedding_length", 1, kMaxWidth));
  PELLUCID_TRY(spec.n_ctx_train, integer("context_length", 1, kMaxContext));
  PELLUCID_TRY(spec.ffn.n_ff, integer("feed_forward_length", 1, kMaxWidth));
  PELLUCID_TRY(spec.n_vocab, vocabulary());

  AttentionSpec& attention = spec.attention;
  PELLUCID_TRY(attention.n_heads, integer("attention.head_count", 1, kMaxHeads));
  PELLUCID_TRY(attention.n_kv_heads, integer_or("attention.head_count_kv", 1, kMaxHeads, attention.n_heads));
  if (attention.n_heads % attention.n_kv_heads != 0) {
    return bad(full("attention.head_count_kv"),
               fmt::format("{} does not divide head_count {}", attention.n_kv_heads, attention.n_heads));
  }
  const bool has_length = file_->metadata().contains(full("attention.key_length"));
  if (!has_length && spec.n_embd % attention.n_heads != 0) {
    return bad(full("attention.head_count"),
               fmt::format("{} does not divide embedding_length {}", attention.n_heads, spec.n_embd));
  }
  PELLUCID_TRY(attention.head_dim,
               integer_or("attention.key_length", 1, kMaxHeadDim, spec.n_embd / attention.n_heads));
  PELLUCID_TRY(const int value_length,
               integer_or("attention.value_length", 1, kMaxHeadDim, attention.head_dim));
  if (value_length != attention.head_dim || attention.head_dim % kernels::kLanes != 0) {
    return Error{ErrorCode::kUnsupported, fmt::format("cannot use '{}'", full("attention.key_length")),
                 fmt::format("heads of {} keys and {} values are not supported (equal multiples of {} are)",
                             attention.head_dim, value_length, kernels::kLanes)};
  }
  attention.scale = 1.0f / std::sqrt(static_cast<float>(attention.head_dim));
  PELLUCID_TRY(spec.rope, rope(attention.head_dim));

  spec.norm.kind = norm;
  PELLUCID_TRY(spec.norm.eps, number_or(norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon"
                                                               : "attention.layer_norm_epsilon",
                                        kSmallestEps, 1.0f, 1e-5f));
  return spec;
}

}  // namespace pellucid::model
