// The choice of a SIMD level: a list in order of preference, filtered by what the machine runs.
#include <array>
#include <cstdlib>
#include <string>

#include "base/cpu.h"
#include "base/text.h"
#include "kernels/table.h"

namespace pellucid::kernels {

namespace scalar {
extern const KernelTable kTable;
}
#if defined(PELLUCID_X86_LEVELS)
namespace avx2 {
extern const KernelTable kTable;
}
namespace avxvnni {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
extern const KernelTable kStreamsTable;
}  // namespace avx512
namespace amx {
extern const KernelTable kTable;
}
#elif defined(PELLUCID_ARM_LEVELS)
namespace neon {
extern const KernelTable kTable;
}
namespace dotprod {
extern const KernelTable kTable;
}
#endif

namespace {

struct Tables {
  std::array<const KernelTable*, 5> list{};
  size_t count = 0;

  Tables() {
#if defined(PELLUCID_X86_LEVELS)
    const CpuFeatures cpu = detect_cpu();
    if (cpu.amx) list[count++] = &amx::kTable;
    // Four streams read 1.5 to 2 times as fast as one on a Granite Rapids; on a Zen 4 one is faster.
    if (cpu.avx512) list[count++] = cpu.intel ? &avx512::kStreamsTable : &avx512::kTable;
    if (cpu.avxvnni) list[count++] = &avxvnni::kTable;
    if (cpu.avx2) list[count++] = &avx2::kTable;
#elif defined(PELLUCID_ARM_LEVELS)
    if (detect_cpu().dotprod) list[count++] = &dotprod::kTable;
    list[count++] = &neon::kTable;
#endif
    list[count++] = &scalar::kTable;
  }
};

}  // namespace

std::span<const KernelTable* const> available_tables() {
  static const Tables tables;
  return {tables.list.data(), tables.count};
}

std::optional<KvType> kv_type_named(std::string_view name) {
  for (size_t i = 0; i < kKvTypeNames.size(); ++i) {
    if (kKvTypeNames[i] == name) return static_cast<KvType>(i);
  }
  return {};
}

Result<const KernelTable*> choose_table() {
  const auto tables = available_tables();
  const char* wanted = std::getenv("PELLUCID_SIMD");
  if (wanted == nullptr || *wanted == '\0') return tables.front();
  std::string names;
  for (const KernelTable* table : tables) {
    if (table->name == wanted) return table;
    names += (names.empty() ? "" : ", ") + std::string(table->name);
  }
  return Error{ErrorCode::kUsage, "PELLUCID_SIMD " + in_quotes(wanted), "this machine runs " + names};
}

}  // namespace pellucid::kernels
