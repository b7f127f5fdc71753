// The tensor types of GGUF files: ids, names and block sizes, as ggml numbers them (ggml.h, enum ggml_type).
// One row per type; nothing else in the program switches on a type to learn its size.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace pellucid {

enum class TensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kBF16 = 30,
};

/// A row of n values takes n / block_values * block_bytes bytes; n is a multiple of block_values.
struct TensorTypeInfo {
  TensorType type;
  std::string_view name;
  uint32_t block_values;
  uint32_t block_bytes;
};

inline constexpr std::array<TensorTypeInfo, 14> kTensorTypes{{
    {TensorType::kF32, "F32", 1, 4},
    {TensorType::kF16, "F16", 1, 2},
    {TensorType::kQ4_0, "Q4_0", 32, 18},
    {TensorType::kQ4_1, "Q4_1", 32, 20},
    {TensorType::kQ5_0, "Q5_0", 32, 22},
    {TensorType::kQ5_1, "Q5_1", 32, 24},
    {TensorType::kQ8_0, "Q8_0", 32, 34},
    {TensorType::kQ2_K, "Q2_K", 256, 84},
    {TensorType::kQ3_K, "Q3_K", 256, 110},
    {TensorType::kQ4_K, "Q4_K", 256, 144},
    {TensorType::kQ5_K, "Q5_K", 256, 176},
    {TensorType::kQ6_K, "Q6_K", 256, 210},
    {TensorType::kIQ4_NL, "IQ4_NL", 32, 18},
    {TensorType::kBF16, "BF16", 1, 2},
}};

/// The row of a raw id from a file, or nullptr where the type is not supported.
constexpr const TensorTypeInfo* find_tensor_type(uint32_t id) {
  for (const TensorTypeInfo& row : kTensorTypes) {
    if (static_cast<uint32_t>(row.type) == id) return &row;
  }
  return nullptr;
}

constexpr const TensorTypeInfo& info(TensorType type) {
  return *find_tensor_type(static_cast<uint32_t>(type));
}

}  // namespace pellucid
