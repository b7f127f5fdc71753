#include "cli/bench_costs.h"

#include <algorithm>
#include <initializer_list>
#include <vector>

namespace pellucid::cli {
namespace {

double macs_of(const kernels::PackedMatrix& matrix) {
  return static_cast<double>(matrix.n_rows) * static_cast<double>(matrix.n_cols);
}

double macs_of(std::initializer_list<const model::Linear*> linears) {
  double macs = 0;
  for (const model::Linear* linear : linears) macs += macs_of(linear->weight);
  return macs;
}

}  // namespace

double weight_bytes(const generation::Engine& engine) {
  auto bytes = static_cast<double>(engine.model().weights.head().n_bytes());
  for (const model::LayerWeights& layer : engine.model().weights.layers) {
    for (const model::Linear* linear : {&layer.attn_q, &layer.attn_k, &layer.attn_v, &layer.attn_output,
                                        &layer.ffn_gate, &layer.ffn_up, &layer.ffn_down}) {
      bytes += static_cast<double>(linear->weight.n_bytes());
    }
  }
  return bytes;
}

double kv_bytes(const generation::Engine& engine, double positions) {
  const model::ArchSpec& spec = engine.model().spec;
  const auto page_bytes =
      static_cast<double>(kernels::kv_page_bytes(engine.options().kv_type, spec.attention.head_dim));
  const double position_bytes = page_bytes * spec.attention.n_kv_heads / kernels::kPagePositions;
  double bytes = 0;
  for (int layer = 0; layer < spec.n_layers; ++layer) {
    const double window = spec.is_local(layer) ? spec.attention.window : positions;
    bytes += position_bytes * std::min(positions, window);
  }
  return bytes;
}

double macs_of_prompt(const generation::Engine& engine, int n_tokens) {
  const std::vector<model::LayerWeights>& layers = engine.model().weights.layers;
  double macs = macs_of(engine.model().weights.head());
  for (const model::LayerWeights& layer : layers) {
    macs += n_tokens * macs_of({&layer.attn_q, &layer.attn_k, &layer.attn_v});
    macs += (&layer == &layers.back() ? 1 : n_tokens) *
            macs_of({&layer.attn_output, &layer.ffn_gate, &layer.ffn_up, &layer.ffn_down});
  }
  return macs;
}

}  // namespace pellucid::cli
