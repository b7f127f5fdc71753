#include "kernels/tested_tables.h"

#include <algorithm>
#include <vector>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/ucontext.h>

#include <array>
#include <csignal>
#include <cstring>

#include "base/cpu.h"

namespace pellucid::kernels {
namespace avxvnni {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
extern const KernelTable kStreamsTable;
}  // namespace avx512
}  // namespace pellucid::kernels
#endif

namespace pellucid::kernels::test {
namespace {
#if defined(__x86_64__) && defined(__linux__)

const uint8_t* bytes_at(greg_t address) {
  return reinterpret_cast<const uint8_t*>(address);  // NOLINT(performance-no-int-to-ptr): a register's word
}

/// The operands of {vex} vpdpbusd ymm, ymm, ymm/m256 (Intel SDM vol. 2, VPDPBUSD).
struct Operands {
  unsigned sums;
  unsigned unsigned_bytes;
  unsigned signed_bytes;
  const uint8_t* memory;  // the signed bytes, where no register has them
  int length;             // of the instruction
};

constexpr int kUpToModRm = 5;  // bytes: three of prefix, the opcode, the other operands

/// The memory operand (Intel SDM vol. 2, 2.1.5) of an instruction of which `length` bytes are known so far.
const uint8_t* memory_operand(const uint8_t* code, const gregset_t& registers, int& length) {
  constexpr int kPlaces[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                             REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  const unsigned mode = code[4] >> 6;
  const unsigned place = code[4] & 7;
  const unsigned high_base = (code[1] >> 5 & 1) ^ 1;
  const unsigned high_index = (code[1] >> 6 & 1) ^ 1;
  unsigned base = place;
  greg_t address = 0;
  if (place == 4) {  // base and index
    const uint8_t both = code[length++];
    base = both & 7;
    const unsigned index = (both >> 3 & 7) | high_index << 3;
    if (index != 4) address += registers[kPlaces[index]] << (both >> 6);
  }
  int32_t displacement = 0;
  const bool is_wide = mode == 2 || (mode == 0 && base == 5);
  if (is_wide) std::memcpy(&displacement, code + length, sizeof(displacement));
  if (mode == 1) displacement = static_cast<int8_t>(code[length]);
  length += is_wide ? 4 : mode == 1 ? 1 : 0;
  if (mode != 0 || base != 5) {
    address += registers[kPlaces[base | high_base << 3]];
  } else if (place == 5) {
    address += reinterpret_cast<greg_t>(code + length);
  }
  return bytes_at(address + displacement);
}

/// Whether `code` is that instruction.
bool decode(const uint8_t* code, const gregset_t& registers, Operands& operands) {
  const bool is_it = code[0] == 0xC4 && (code[1] & 0x1F) == 2 && (code[2] & 0x87) == 0x05 && code[3] == 0x50;
  if (!is_it) return false;
  const auto register_of = [](unsigned low, unsigned inverted_high) {
    return low | (inverted_high ^ 1) << 3;
  };
  operands.sums = register_of(code[4] >> 3 & 7, code[1] >> 7);
  operands.unsigned_bytes = ~(code[2] >> 3) & 15U;
  operands.signed_bytes = register_of(code[4] & 7, code[1] >> 5 & 1);
  operands.length = kUpToModRm;
  operands.memory = code[4] >= 0xC0 ? nullptr : memory_operand(code, registers, operands.length);
  return true;
}

size_t place_of_high_halves() {
  uint32_t eax = 0;
  uint32_t offset = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
  __get_cpuid_count(0xD, 2, &eax, &offset, &ecx, &edx);
  return offset;
}
const size_t kHighs = place_of_high_halves();

/// The ymm registers of an interrupted thread, as XSAVE keeps them (Intel SDM vol. 1, 13.4).
class SavedRegisters {
 public:
  explicit SavedRegisters(const ucontext_t& context)
      : area_(reinterpret_cast<std::byte*>(context.uc_mcontext.fpregs)) {}

  template <typename T>
  [[nodiscard]] std::array<T, 32 / sizeof(T)> get(unsigned i) const {
    std::array<T, 32 / sizeof(T)> values{};
    std::memcpy(values.data(), low(i), 16);
    std::memcpy(reinterpret_cast<std::byte*>(values.data()) + 16, high(i), 16);
    return values;
  }
  void set(unsigned i, const std::array<int32_t, 8>& values) {
    std::memcpy(low(i), values.data(), 16);
    std::memcpy(high(i), values.data() + 4, 16);
  }

 private:
  [[nodiscard]] std::byte* low(unsigned i) const { return area_ + 160 + i * size_t{16}; }
  [[nodiscard]] std::byte* high(unsigned i) const { return area_ + kHighs + i * size_t{16}; }

  std::byte* area_;
};

void handle(int /*signal*/, siginfo_t* /*info*/, void* untyped) {
  auto& context = *static_cast<ucontext_t*>(untyped);
  auto& next = context.uc_mcontext.gregs[REG_RIP];
  Operands operands{};
  const gregset_t& general = context.uc_mcontext.gregs;
  if (!decode(bytes_at(next), general, operands)) {
    signal(SIGILL, SIG_DFL);  // it comes once more, and ends the program
    return;
  }
  SavedRegisters registers(context);
  do {  // those that follow it are done in the same breath
    std::array<int32_t, 8> sums = registers.get<int32_t>(operands.sums);
    const std::array<uint8_t, 32> a = registers.get<uint8_t>(operands.unsigned_bytes);
    std::array<int8_t, 32> b = registers.get<int8_t>(operands.signed_bytes);
    if (operands.memory != nullptr) std::memcpy(b.data(), operands.memory, b.size());
    for (size_t i = 0; i < a.size(); ++i) sums[i / 4] += a[i] * b[i];
    registers.set(operands.sums, sums);
    next += operands.length;
  } while (decode(bytes_at(next), general, operands));
}

bool emulate() {
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  return sigaction(SIGILL, &action, nullptr) == 0;
}
#endif

std::vector<const KernelTable*> tables() {
  const auto available = available_tables();
  std::vector<const KernelTable*> tables(available.begin(), available.end());
#if defined(__x86_64__) && defined(__linux__)
  const CpuFeatures cpu = detect_cpu();
  if (cpu.avx512)
    tables.push_back(cpu.intel ? &avx512::kTable : &avx512::kStreamsTable);  // the other maker's
  if (cpu.avx2 && !cpu.avxvnni && emulate()) tables.insert(tables.begin(), &avxvnni::kTable);
#endif
  return tables;
}

}  // namespace

std::span<const KernelTable* const> tested_tables() {
  static const std::vector<const KernelTable*> list = tables();
  return list;
}

bool is_slow(const KernelTable& table) {
  const auto available = available_tables();
  return &table == available.back() || std::ranges::find(available, &table) == available.end();
}

}  // namespace pellucid::kernels::test
