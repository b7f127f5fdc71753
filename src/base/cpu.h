// What the processor can do, as far as the kernels care. decode() is pure, so tests feed it recorded
// registers.
#pragma once

#include <cstdint>

namespace pellucid {

/// The registers that CPUID and XGETBV return, and the word by which Linux tells of an AArch64 processor.
struct CpuRegisters {
  uint32_t leaf1_ecx = 0;
  uint32_t leaf7_ebx = 0;
  uint32_t leaf7_ecx = 0;
  uint32_t leaf7_1_eax = 0;  // of the subleaf 1
  uint64_t xcr0 = 0;         // 0 where OSXSAVE is off
  uint64_t hwcap = 0;        // AT_HWCAP on AArch64, else 0
  uint32_t leaf0_ebx = 0;    // the maker's first four letters
  uint32_t leaf7_edx = 0;
  bool tiles_granted = false;  // by the operating system, to this process
};

struct CpuFeatures {
  bool intel = false;    // made by Intel: what reads memory fastest differs
  bool avx2 = false;     // AVX2, FMA and F16C, with the operating system saving ymm registers
  bool avxvnni = false;  // the same, and dot products of bytes without AVX-512
  bool avx512 = false;   // AVX-512 F, BW, DQ, VL and VNNI, with the operating system saving zmm registers
  bool amx = false;      // the same, VBMI, and tiles of bfloat16, which the system lets this process use
  bool dotprod = false;  // AArch64 with dot products of bytes; plain NEON needs no asking
};

/// Features are believed only where the operating system saves the registers they use (Intel SDM vol.
/// 1, 13.3).
CpuFeatures decode(const CpuRegisters& registers);

/// The features of the machine that runs this.
CpuFeatures detect_cpu();

}  // namespace pellucid
