// The AVX-512 level once more, for processors that multiply tiles of bfloat16: Sapphire Rapids and later.
#include "kernels/table.h"

#include <array>

#include "kernels/avx512/simd.h"
#include "kernels/format.h"

namespace pellucid::kernels::amx {
using namespace avx512;
#include "kernels/generic/all.inl"
namespace {
// clang-format off
#include "kernels/generic/strips.inl"
#include "kernels/amx/codes.inl"
#include "kernels/amx/quantize.inl"
#include "kernels/amx/sums.inl"
#include "kernels/amx/strip.inl"
#include "kernels/amx/tiles.inl"  // uses some of what stands above it
// clang-format on

constexpr KernelTable make_tiles_table() {
  KernelTable table = make_table<FetchAhead::kEachNextGroup>("amx");
  table.quantize = quantize_tiles;
  return table;
}
}  // namespace
extern const KernelTable kTable;
constinit const KernelTable kTable = make_tiles_table();
}  // namespace pellucid::kernels::amx
