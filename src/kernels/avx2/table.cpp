// The AVX2 level: Haswell, Zen and later.
#include "kernels/table.h"

#include "kernels/avx2/simd.h"
#include "kernels/format.h"

namespace pellucid::kernels::avx2 {
#include "kernels/generic/all.inl"
namespace {
#include "kernels/avx2/strips.inl"
}  // namespace
extern const KernelTable kTable;
constinit const KernelTable kTable = make_table("avx2");
}  // namespace pellucid::kernels::avx2
