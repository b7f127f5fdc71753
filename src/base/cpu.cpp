#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace pellucid {
namespace {

constexpr bool bit(uint64_t word, int position) { return (word >> position & 1) != 0; }

constexpr int kAmxTile = 24;  // of leaf 7 edx
constexpr int kAmxBf16 = 22;

#if defined(__x86_64__)
/// Whether the system saves tiles for this process: it does once asked, and signal frames grow by 8 KiB
/// (Linux 5.16, Documentation/arch/x86/xstate.rst).
bool ask_for_tiles() {
#if defined(__linux__)
  constexpr int kAsk = 0x1023;   // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;  // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kAsk, kTileData) == 0;
#else
  return false;
#endif
}
#endif

CpuRegisters read_registers() {
  CpuRegisters registers;
#if defined(__x86_64__)
  uint32_t eax = 0;
  uint32_t ebx = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
  if (__get_cpuid(0, &eax, &ebx, &ecx, &edx) != 0) registers.leaf0_ebx = ebx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return registers;
  registers.leaf1_ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    registers.leaf7_ebx = ebx;
    registers.leaf7_ecx = ecx;
    registers.leaf7_edx = edx;
    const uint32_t subleaves = eax;
    if (subleaves >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0) registers.leaf7_1_eax = eax;
  }
  if (bit(registers.leaf1_ecx, 27)) {  // OSXSAVE
    uint32_t low = 0;
    uint32_t high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    registers.xcr0 = uint64_t{high} << 32 | low;
  }
  registers.tiles_granted = bit(registers.leaf7_edx, kAmxBf16) && ask_for_tiles();
#elif defined(__aarch64__) && defined(__linux__)
  registers.hwcap = getauxval(AT_HWCAP);
#endif
  return registers;
}

}  // namespace

CpuFeatures decode(const CpuRegisters& r) {
  constexpr uint64_t kYmmState = 0x6;
  constexpr uint64_t kZmmState = 0xE6;
  constexpr uint64_t kTileState = 0x60000;
  constexpr uint32_t kGenu = 0x756E6547;  // of "GenuineIntel"
  CpuFeatures features;
  features.intel = r.leaf0_ebx == kGenu;
  const bool fma = bit(r.leaf1_ecx, 12);
  const bool f16c = bit(r.leaf1_ecx, 29);
  features.avx2 = fma && f16c && bit(r.leaf7_ebx, 5) && (r.xcr0 & kYmmState) == kYmmState;
  features.avxvnni = features.avx2 && bit(r.leaf7_1_eax, 4);
  const bool f_dq_bw_vl =
      bit(r.leaf7_ebx, 16) && bit(r.leaf7_ebx, 17) && bit(r.leaf7_ebx, 30) && bit(r.leaf7_ebx, 31);
  const bool vnni = bit(r.leaf7_ecx, 11);
  features.avx512 = features.avx2 && f_dq_bw_vl && vnni && (r.xcr0 & kZmmState) == kZmmState;
  const bool vbmi = bit(r.leaf7_ecx, 1);
  features.amx = features.avx512 && vbmi && bit(r.leaf7_edx, kAmxTile) && bit(r.leaf7_edx, kAmxBf16) &&
                 (r.xcr0 & kTileState) == kTileState && r.tiles_granted;
  features.dotprod = bit(r.hwcap, 20);  // HWCAP_ASIMDDP
  return features;
}

CpuFeatures detect_cpu() { return decode(read_registers()); }

}  // namespace pellucid
