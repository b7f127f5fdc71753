#include "model/scratch.h"

#include <algorithm>

namespace pellucid::model {
namespace {
size_t area(int rows, int cols) { return static_cast<size_t>(rows) * static_cast<size_t>(cols); }
int widest(const ArchSpec& spec) {
  const int n = std::max(spec.n_embd, spec.q_width());
  return (n + kernels::kBlockValues - 1) / kernels::kBlockValues * kernels::kBlockValues;
}
}  // namespace

size_t Scratch::float_bytes_of_token(const ArchSpec& spec) {
  const int64_t twice = int64_t{0} + spec.n_embd + spec.q_width() + spec.kv_width() + spec.rope.n_rot;
  return sizeof(float) * static_cast<size_t>(2 * twice + spec.ffn.n_ff);
}

Scratch::Scratch(const ArchSpec& spec, int tokens)
    : max_tokens(tokens),
      x(area(tokens, spec.n_embd)),
      h(area(tokens, spec.n_embd)),
      q(area(tokens, spec.q_width())),
      k(area(tokens, spec.kv_width())),
      v(area(tokens, spec.kv_width())),
      mixed(area(tokens, spec.q_width())),
      hidden(area(tokens, spec.ffn.n_ff)),
      up(area(std::min(tokens, kPrivateRows), spec.ffn.n_ff)),
      cos(area(tokens, spec.rope.n_rot)),
      sin(area(tokens, spec.rope.n_rot)),
      quantized(static_cast<size_t>(tokens), static_cast<size_t>(widest(spec))),
      quantized_hidden(static_cast<size_t>(tokens), static_cast<size_t>(spec.ffn.n_ff)),
      parts(area(tokens, spec.attention.n_heads)),
      n_embd_(spec.n_embd),
      q_width_(spec.q_width()),
      n_ff_(spec.ffn.n_ff),
      widest_input_(widest(spec)) {}

void Scratch::reserve_workers(int n_workers) {
  while (private_rows.size() < static_cast<size_t>(n_workers)) {
    private_rows.push_back(
        {AlignedBuffer<float>(area(kPrivateRows, n_embd_)),
         kernels::QuantizedBuffer(1, std::max(area(kPrivateRows, widest_input_), area(1, n_ff_))),
         AlignedBuffer<float>(static_cast<size_t>(q_width_)),
         AlignedBuffer<float>(kMaxProducts * kPartFloats), 0});
  }
}

void Scratch::reserve_spans(int n_spans, int n_heads, int head_dim) {
  const size_t needed = area(n_spans, n_heads);
  if (span_parts.size() >= needed) return;
  const size_t roomy = needed + needed / 2;
  span_parts = AlignedBuffer<kernels::AttentionPart>(roomy);
  span_values = AlignedBuffer<float>(roomy * static_cast<size_t>(head_dim));
}

}  // namespace pellucid::model
