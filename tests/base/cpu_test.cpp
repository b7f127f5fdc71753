#include "base/cpu.h"

#include <gtest/gtest.h>

namespace pellucid {
namespace {

// Registers as recorded on machines: leaf 1 ecx, leaf 7 ebx, leaf 7 ecx, leaf 7.1 eax, XCR0.
constexpr CpuRegisters kZen4{0xfefa3203, 0xf1bf97a9, 0x00405fce, 0x00000020, 0xe7};
constexpr CpuRegisters kAlderLake{0x77fafbff, 0x239c27eb, 0x98c027ac, 0x00400810, 0x207};
constexpr CpuRegisters kHaswell{0x7ffafbff, 0x000027ab, 0x00000000, 0x00000000, 0x07};
constexpr CpuRegisters kSkylakeServer{0x7ffefbff, 0xd39ffffb, 0x00000008, 0x00000000,
                                      0xe7};  // AVX-512 but no VNNI
constexpr CpuRegisters kCascadeLake{0x7ffefbff, 0xd39ffffb, 0x00000808, 0x00000000, 0xe7};
constexpr CpuRegisters kGraniteRapids{.leaf1_ecx = 0xfffa3203,
                                      .leaf7_ebx = 0xf1bf2ffb,
                                      .leaf7_ecx = 0x1a415f46,
                                      .leaf7_1_eax = 0x00001c30,
                                      .xcr0 = 0x600e7,
                                      .leaf7_edx = 0x23c14010,
                                      .tiles_granted = true};
constexpr CpuRegisters kNehalem{0x009ce3bd, 0x00000000, 0x00000000, 0x00000000, 0x00};

TEST(Cpu, RecordedMachines) {
  EXPECT_TRUE(decode(kZen4).avx2);
  EXPECT_TRUE(decode(kZen4).avx512);
  EXPECT_FALSE(decode(kZen4).avxvnni);
  EXPECT_TRUE(decode(kAlderLake).avx2);
  EXPECT_TRUE(decode(kAlderLake).avxvnni);
  EXPECT_FALSE(decode(kAlderLake).avx512);
  EXPECT_TRUE(decode(kHaswell).avx2);
  EXPECT_FALSE(decode(kHaswell).avx512);
  EXPECT_TRUE(decode(kSkylakeServer).avx2);
  EXPECT_FALSE(decode(kSkylakeServer).avx512);
  EXPECT_TRUE(decode(kCascadeLake).avx512);
  EXPECT_FALSE(decode(kCascadeLake).amx);
  EXPECT_TRUE(decode(kGraniteRapids).avx512);
  EXPECT_TRUE(decode(kGraniteRapids).avxvnni);
  EXPECT_TRUE(decode(kGraniteRapids).amx);
  EXPECT_FALSE(decode(kNehalem).avx2);
}

TEST(Cpu, FeaturesCountOnlyWhereTheSystemSavesTheRegisters) {
  CpuRegisters registers = kZen4;
  registers.xcr0 = 0x07;  // ymm but not zmm
  EXPECT_TRUE(decode(registers).avx2);
  EXPECT_FALSE(decode(registers).avx512);
  registers.xcr0 = 0x03;  // neither
  EXPECT_FALSE(decode(registers).avx2);
  EXPECT_FALSE(decode(registers).avx512);
}

TEST(Cpu, TilesCountOnlyWhereTheSystemGrantsThem) {
  CpuRegisters registers = kGraniteRapids;
  registers.tiles_granted = false;
  EXPECT_TRUE(decode(registers).avx512);
  EXPECT_FALSE(decode(registers).amx);
  for (const uint64_t state : {0x20000, 0x40000, 0xe0}) {  // of shapes, of data, of zmm
    registers = kGraniteRapids;
    registers.xcr0 &= ~state;
    EXPECT_FALSE(decode(registers).amx) << state;
  }
  for (const int bit : {24, 22}) {  // tiles, and their products of bfloat16
    registers = kGraniteRapids;
    registers.leaf7_edx &= ~(uint32_t{1} << bit);
    EXPECT_FALSE(decode(registers).amx) << bit;
  }
  registers = kGraniteRapids;
  registers.leaf7_ecx &= ~(uint32_t{1} << 1);  // VBMI, which unpacks the codes of tiles
  EXPECT_TRUE(decode(registers).avx512);
  EXPECT_FALSE(decode(registers).amx);
}

TEST(Cpu, TheMakerIsKnown) {
  CpuRegisters registers = kZen4;
  registers.leaf0_ebx = 0x68747541;  // "Auth"enticAMD
  EXPECT_FALSE(decode(registers).intel);
  registers = kCascadeLake;
  registers.leaf0_ebx = 0x756e6547;  // "Genu"ineIntel
  EXPECT_TRUE(decode(registers).intel);
}

TEST(Cpu, DotProductsOfArm) {
  EXPECT_FALSE(decode({.hwcap = 0x8ff}).dotprod);      // Cortex-A72
  EXPECT_TRUE(decode({.hwcap = 0x10119fff}).dotprod);  // Neoverse N1
}

TEST(Cpu, EachNeededFeatureIsNeeded) {
  const auto without = [](uint32_t CpuRegisters::*word, int bit) {
    CpuRegisters registers = kZen4;
    registers.*word &= ~(uint32_t{1} << bit);
    return decode(registers);
  };
  for (const int bit : {12, 29})
    EXPECT_FALSE(without(&CpuRegisters::leaf1_ecx, bit).avx2) << bit;  // FMA, F16C
  EXPECT_FALSE(without(&CpuRegisters::leaf7_ebx, 5).avx2);
  CpuRegisters alder_lake = kAlderLake;
  alder_lake.leaf7_1_eax &= ~(uint32_t{1} << 4);
  EXPECT_FALSE(decode(alder_lake).avxvnni);
  alder_lake = kAlderLake;
  alder_lake.xcr0 = 0x03;  // no ymm
  EXPECT_FALSE(decode(alder_lake).avxvnni);
  for (const int bit : {16, 17, 30, 31}) EXPECT_FALSE(without(&CpuRegisters::leaf7_ebx, bit).avx512) << bit;
  EXPECT_FALSE(without(&CpuRegisters::leaf7_ecx, 11).avx512);
}

}  // namespace
}  // namespace pellucid
