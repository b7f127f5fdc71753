// The kernels of a level: included once by its table.cpp, inside the level's namespace, after its simd.h.
namespace {

// Each may use what stands above it.
// clang-format off
#include "kernels/generic/math.inl"
#include "kernels/generic/vector_ops.inl"
#include "kernels/generic/blocks.inl"
#include "kernels/generic/matmul.inl"
#include "kernels/generic/quantize.inl"
#include "kernels/generic/attention.inl"
#include "kernels/generic/attention_run.inl"
// clang-format on

template <FetchAhead kFetch = FetchAhead::kNextTile>
constexpr KernelTable make_table(std::string_view name, uint8_t streams = kStreams) {
  return {name, kStripLayout, streams,   matmul<kFetch>, quantize,   rms_norm, layer_norm,
          rope, store_kv,     attention, attention_run,  join_spans, silu_mul, gelu_mul,
          gelu, add,          scale,     softcap};
}

}  // namespace
