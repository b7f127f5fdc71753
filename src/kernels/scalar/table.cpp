// The scalar level: plain C++, every processor.
#include "kernels/table.h"

#include "kernels/format.h"
#include "kernels/scalar/simd.h"

namespace pellucid::kernels::scalar {
#include "kernels/generic/all.inl"
extern const KernelTable kTable;
constinit const KernelTable kTable = make_table("scalar");
}  // namespace pellucid::kernels::scalar
