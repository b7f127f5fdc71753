// The AVX2 level once more, for processors with its dot products of bytes: Alder Lake and later.
#include "kernels/table.h"

#include "kernels/avx2/simd.h"
#include "kernels/format.h"

namespace pellucid::kernels::avxvnni {
using namespace avx2;
#include "kernels/generic/all.inl"
namespace {
#include "kernels/generic/strips.inl"
}  // namespace
extern const KernelTable kTable;
constinit const KernelTable kTable = make_table("avxvnni");
}  // namespace pellucid::kernels::avxvnni
