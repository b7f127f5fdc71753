// The NEON level: every AArch64 processor.
#include "kernels/table.h"

#include "kernels/format.h"
#include "kernels/neon/simd.h"

namespace pellucid::kernels::neon {
#include "kernels/generic/all.inl"
namespace {
#include "kernels/generic/strips.inl"
}  // namespace
extern const KernelTable kTable;
constinit const KernelTable kTable = make_table("neon");
}  // namespace pellucid::kernels::neon
