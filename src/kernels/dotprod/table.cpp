// The NEON level once more, for processors with dot products of bytes: Armv8.2 and later.
#include "kernels/table.h"

#include "kernels/format.h"
#include "kernels/neon/simd.h"

namespace pellucid::kernels::dotprod {
using namespace neon;
#include "kernels/generic/all.inl"
namespace {
#include "kernels/generic/strips.inl"
}  // namespace
extern const KernelTable kTable;
constinit const KernelTable kTable = make_table("dotprod");
}  // namespace pellucid::kernels::dotprod
