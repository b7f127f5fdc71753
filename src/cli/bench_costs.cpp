#include "cli/bench_costs.h"

#include <algorithm>
#include <initializer_list>

namespace pellucid::cli {
namespace {

/// body(matrix) for each weight matrix that every token meets.
template <typename Body>
void for_layer_matrices(const generation::Engine& engine, const Body& body) {
  for (const model::LayerWeights& layer : engine.model().weights.layers) {
    for (const model::Linear* linear : {&layer.attn_q, &layer.attn_k, &layer.attn_v, &layer.attn_output,
                                        &layer.ffn_gate, &layer.ffn_up, &layer.ffn_down}) {
      body(linear->weight);
    }
  }
}

double macs(const kernels::PackedMatrix& matrix) {
  return static_cast<double>(matrix.n_rows) * static_cast<double>(matrix.n_cols);
}

}  // namespace

double weight_bytes(const generation::Engine& engine) {
  auto bytes = static_cast<double>(engine.model().weights.head().n_bytes());
  for_layer_matrices(
      engine, [&](const kernels::PackedMatrix& matrix) { bytes += static_cast<double>(matrix.n_bytes()); });
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
  double a_token = 0;
  for_layer_matrices(engine, [&](const kernels::PackedMatrix& matrix) { a_token += macs(matrix); });
  return a_token * n_tokens + macs(engine.model().weights.head());
}

}  // namespace pellucid::cli
