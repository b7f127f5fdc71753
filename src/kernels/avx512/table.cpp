// The AVX-512 level: Zen 4, Cascade Lake and later.
#include "kernels/table.h"

#include "kernels/avx512/simd.h"
#include "kernels/format.h"

namespace pellucid::kernels::avx512 {
#include "kernels/generic/all.inl"
namespace {
#include "kernels/generic/strips.inl"
}  // namespace
extern const KernelTable kTable;
constinit const KernelTable kTable = make_table("avx512", 1);
// The same kernels for processors that read several places of memory faster than one.
extern const KernelTable kStreamsTable;
constinit const KernelTable kStreamsTable = make_table<FetchAhead::kEachNextGroup>("avx512");
}  // namespace pellucid::kernels::avx512
