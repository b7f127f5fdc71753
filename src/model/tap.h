// A watcher of the forward pass: called with the name of each step, in llama.cpp's words, and its values. An
// empty tap costs one comparison a step.
#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace pellucid::model {

inline constexpr int kNoLayer = -1;

/// (name, layer or kNoLayer, values [n_rows, n_cols], n_rows). Names in order: inp_embd; per layer attn_norm,
/// Qcur, Kcur (after norm and rotation), Vcur, kqv_out, attn_out, ffn_inp, ffn_norm, ffn_out, l_out; then
/// result_norm, result_output.
using Tap = std::function<void(std::string_view name, int layer, std::span<const float> values, int n_rows)>;

}  // namespace pellucid::model
