#include "model/weights.h"

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <unordered_set>

namespace pellucid::model {
namespace {

enum class Need { kRequired, kOptional };

/// Finds tensors by name, checks them, and packs them where they belong.
class Binder {
 public:
  Binder(const gguf::File& file, kernels::Precision precision, ThreadPool& pool)
      : file_(file), precision_(precision), pool_(pool) {}

  /// Rows [row_begin, row_begin + n_rows) of a tensor of n_total rows.
  struct Rows {
    int begin;
    int count;
    int total;
  };

  Result<void> matrix(const std::string& name, Rows rows, int n_cols, Need need, kernels::PackedMatrix& out) {
    const auto cols = static_cast<uint64_t>(n_cols);
    PELLUCID_TRY(const gguf::Tensor* tensor, find(name, {cols, static_cast<uint64_t>(rows.total)}, need));
    if (tensor == nullptr) return {};
    const size_t row_bytes = tensor->data.size() / static_cast<size_t>(rows.total);
    const auto part = tensor->data.subspan(static_cast<size_t>(rows.begin) * row_bytes,
                                           static_cast<size_t>(rows.count) * row_bytes);
    out = kernels::pack(tensor->type, part, rows.count, n_cols, precision_, arena_, pool_,
                        [this](std::span<const std::byte> done) { release(done); });
    return {};
  }

  Result<void> matrix(const std::string& name, int n_rows, int n_cols, Need need,
                      kernels::PackedMatrix& out) {
    return matrix(name, Rows{0, n_rows, n_rows}, n_cols, need, out);
  }

  Result<void> vector(const std::string& name, Rows rows, Need need, Vector& out) {
    PELLUCID_TRY(const gguf::Tensor* tensor, find(name, {static_cast<uint64_t>(rows.total), 1}, need));
    if (tensor == nullptr) return {};
    if (info(tensor->type).block_values != 1) {
      return Error{ErrorCode::kBadModel, fmt::format("cannot use tensor '{}'", name),
                   fmt::format("a vector of type {} is not supported", info(tensor->type).name)};
    }
    const size_t value_bytes = info(tensor->type).block_bytes;
    out = Vector(static_cast<size_t>(rows.count));
    kernels::decode(tensor->type, tensor->data.data() + static_cast<size_t>(rows.begin) * value_bytes,
                    rows.count, out.data());
    for (size_t i = 0; i < out.size(); ++i) {
      if (!std::isfinite(out[i])) {
        return Error{ErrorCode::kBadModel, fmt::format("cannot use tensor '{}'", name),
                     fmt::format("value {} is not finite", i)};
      }
    }
    return {};
  }

  Result<void> vector(const std::string& name, int n, Need need, Vector& out) {
    return vector(name, Rows{0, n, n}, need, out);
  }

  Result<void> norm(const std::string& name, int n, NormKind kind, Norm& out) {
    PELLUCID_CHECK(vector(name + ".weight", n, Need::kRequired, out.weight));
    if (kind == NormKind::kLayer) PELLUCID_CHECK(vector(name + ".bias", n, Need::kRequired, out.bias));
    return {};
  }

  Result<void> linear(const std::string& name, Rows rows, int n_cols, Linear& out) {
    PELLUCID_CHECK(matrix(name + ".weight", rows, n_cols, Need::kRequired, out.weight));
    return vector(name + ".bias", rows, Need::kOptional, out.bias);
  }

  Result<void> linear(const std::string& name, int n_rows, int n_cols, Linear& out) {
    return linear(name, Rows{0, n_rows, n_rows}, n_cols, out);
  }

  /// An error where the file has a tensor that nothing asked for.
  [[nodiscard]] Result<void> all_used(std::string_view architecture) const {
    for (const gguf::Tensor& tensor : file_.tensors()) {
      if (!used_.contains(tensor.name)) {
        return Error{ErrorCode::kBadModel, fmt::format("cannot use tensor '{}'", tensor.name),
                     fmt::format("the architecture '{}' has no place for it", architecture)};
      }
    }
    return {};
  }

 private:
  Result<const gguf::Tensor*> find(const std::string& name, std::array<uint64_t, 2> dims, Need need) {
    const gguf::Tensor* tensor = file_.find_tensor(name);
    if (tensor == nullptr) {
      if (need == Need::kOptional) return static_cast<const gguf::Tensor*>(nullptr);
      return Error{ErrorCode::kBadModel, "missing tensor", name};
    }
    if (tensor->dims[0] != dims[0] || tensor->dims[1] != dims[1] || tensor->dims[2] != 1 ||
        tensor->dims[3] != 1) {
      return Error{ErrorCode::kBadModel, fmt::format("wrong shape of tensor '{}'", name),
                   fmt::format("[{}, {}, {}, {}] where the hyperparameters ask for [{}, {}]", tensor->dims[0],
                               tensor->dims[1], tensor->dims[2], tensor->dims[3], dims[0], dims[1])};
    }
    used_.insert(tensor->name);
    return tensor;
  }

  void release(std::span<const std::byte> part) const {
    if (file_.mapping() != nullptr) file_.mapping()->release(part);
  }

  const gguf::File& file_;
  kernels::Precision precision_;
  Arena arena_;
  ThreadPool& pool_;
  std::unordered_set<std::string_view> used_;
};

Result<void> bind_qkv(Binder& bind, const ArchSpec& spec, const std::string& blk, LayerWeights& layer) {
  const int q = spec.q_width();
  const int kv = spec.kv_width();
  if (spec.fused_qkv == FusedQkv::kYes) {
    const int total = q + 2 * kv;
    PELLUCID_CHECK(bind.linear(blk + "attn_qkv", {0, q, total}, spec.n_embd, layer.attn_q));
    PELLUCID_CHECK(bind.linear(blk + "attn_qkv", {q, kv, total}, spec.n_embd, layer.attn_k));
    return bind.linear(blk + "attn_qkv", {q + kv, kv, total}, spec.n_embd, layer.attn_v);
  }
  PELLUCID_CHECK(bind.linear(blk + "attn_q", q, spec.n_embd, layer.attn_q));
  PELLUCID_CHECK(bind.linear(blk + "attn_k", kv, spec.n_embd, layer.attn_k));
  return bind.linear(blk + "attn_v", kv, spec.n_embd, layer.attn_v);
}

Result<void> bind_layer(Binder& bind, const ArchSpec& spec, int index, LayerWeights& layer) {
  const std::string blk = fmt::format("blk.{}.", index);
  const NormKind kind = spec.norm.kind;
  PELLUCID_CHECK(bind.norm(blk + "attn_norm", spec.n_embd, kind, layer.attn_norm));
  PELLUCID_CHECK(bind_qkv(bind, spec, blk, layer));
  if (spec.attention.qk_norm == QkNorm::kPerHead) {
    PELLUCID_CHECK(bind.norm(blk + "attn_q_norm", spec.attention.head_dim, kind, layer.attn_q_norm));
    PELLUCID_CHECK(bind.norm(blk + "attn_k_norm", spec.attention.head_dim, kind, layer.attn_k_norm));
  }
  PELLUCID_CHECK(bind.linear(blk + "attn_output", spec.n_embd, spec.q_width(), layer.attn_output));
  PELLUCID_CHECK(bind.norm(blk + "ffn_norm", spec.n_embd, kind, layer.ffn_norm));
  if (spec.ffn.kind != FfnKind::kGelu) {
    PELLUCID_CHECK(bind.linear(blk + "ffn_gate", spec.ffn.n_ff, spec.n_embd, layer.ffn_gate));
  }
  PELLUCID_CHECK(bind.linear(blk + "ffn_up", spec.ffn.n_ff, spec.n_embd, layer.ffn_up));
  PELLUCID_CHECK(bind.linear(blk + "ffn_down", spec.n_embd, spec.ffn.n_ff, layer.ffn_down));
  if (spec.post_norm == PostNorm::kSandwich) {
    PELLUCID_CHECK(bind.norm(blk + "post_attention_norm", spec.n_embd, kind, layer.post_attention_norm));
    PELLUCID_CHECK(bind.norm(blk + "post_ffw_norm", spec.n_embd, kind, layer.post_ffw_norm));
  }
  return {};
}

Result<void> check_rope_factors(const Vector& factors) {
  for (const float factor : factors.span()) {
    if (!(factor >= kMinRopeFactor && factor <= kMaxRopeFactor)) {
      return Error{ErrorCode::kBadModel, "cannot use tensor 'rope_freqs.weight'",
                   fmt::format("a factor is {}, not in {} .. {}", factor, kMinRopeFactor, kMaxRopeFactor)};
    }
  }
  return {};
}

}  // namespace

Result<Weights> load_weights(const gguf::File& file, const ArchSpec& spec, kernels::Precision precision,
                             ThreadPool& pool) {
  Binder bind(file, precision, pool);
  Weights weights;
  PELLUCID_CHECK(
      bind.matrix("token_embd.weight", spec.n_vocab, spec.n_embd, Need::kRequired, weights.token_embd));
  if (spec.positions == Positions::kLearned) {
    PELLUCID_CHECK(bind.matrix("position_embd.weight", spec.n_ctx_train, spec.n_embd, Need::kRequired,
                               weights.position_embd));
  }
  if (spec.rope.scaling == RopeScaling::kFactors) {
    PELLUCID_CHECK(
        bind.vector("rope_freqs.weight", spec.rope.n_rot / 2, Need::kRequired, weights.rope_freqs));
    PELLUCID_CHECK(check_rope_factors(weights.rope_freqs));
  }
  weights.layers.resize(static_cast<size_t>(spec.n_layers));
  for (int i = 0; i < spec.n_layers; ++i) {
    PELLUCID_CHECK(bind_layer(bind, spec, i, weights.layers[static_cast<size_t>(i)]));
  }
  PELLUCID_CHECK(bind.norm("output_norm", spec.n_embd, spec.norm.kind, weights.output_norm));
  PELLUCID_CHECK(bind.matrix("output.weight", spec.n_vocab, spec.n_embd, Need::kOptional, weights.output));
  PELLUCID_CHECK(bind.all_used(spec.name));
  return weights;
}

}  // namespace pellucid::model
