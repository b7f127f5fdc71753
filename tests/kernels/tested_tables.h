// The SIMD levels that tests compare.
#pragma once

#include <span>

#include "kernels/table.h"

namespace pellucid::kernels::test {

/// Those of available_tables(), and before them the one of AVX-VNNI where the processor has AVX2 alone: then
/// its one instruction that there is not, vpdpbusd, is computed by a handler of SIGILL. So what is tested is
/// the code as it will run elsewhere. After them the AVX-512 level as it reads memory on processors of
/// another maker.
std::span<const KernelTable* const> tested_tables();

/// Whether it is the scalar one or one that the machine would not choose, for which tests take fewer tokens.
bool is_slow(const KernelTable& table);

}  // namespace pellucid::kernels::test
