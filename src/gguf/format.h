// The GGUF file format, versions 2 and 3, as types and constants: the page to read before reader.cpp.
// Specification: docs/gguf.md of the ggml project.
//
//   magic "GGUF" | u32 version | u64 number of tensors | u64 number of metadata entries
//   metadata entries:   string key | u32 ValueType | value
//   tensor records:     string name | u32 number of dims | u64 dims[] | u32 tensor type | u64 offset
//   padding to the alignment (key general.alignment, 32 where absent)
//   tensor data:        each tensor at `offset` from here, offset a multiple of the alignment
//
// Everything is little-endian and unaligned up to the padding. A string is a u64 length and that many bytes,
// without a terminator. An array value is u32 element type | u64 count | elements. A bool is one byte, 0
// or 1.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace pellucid::gguf {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr uint32_t kMinVersion = 2;  // version 1 had 32-bit lengths
inline constexpr uint32_t kMaxVersion = 3;

/// The type of a metadata value, as numbered in the file.
enum class ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

/// Name and size in bytes of a value, by ValueType; size 0 where it varies.
struct ValueTypeInfo {
  std::string_view name;
  uint32_t bytes;
};

inline constexpr std::array<ValueTypeInfo, 13> kValueTypes{{
    {"uint8", 1},
    {"int8", 1},
    {"uint16", 2},
    {"int16", 2},
    {"uint32", 4},
    {"int32", 4},
    {"float32", 4},
    {"bool", 1},
    {"string", 0},
    {"array", 0},
    {"uint64", 8},
    {"int64", 8},
    {"float64", 8},
}};

constexpr const ValueTypeInfo& info(ValueType type) { return kValueTypes[static_cast<size_t>(type)]; }

// Limits. The bytes that remain in the file bound every count and length first; these come second.
inline constexpr uint64_t kMaxKeyBytes = 65535;                 // specification
inline constexpr uint64_t kMaxTensorNameBytes = 64;             // specification
inline constexpr uint64_t kMaxStringBytes = uint64_t{1} << 24;  // 16 MiB: a value, such as a chat template
inline constexpr uint64_t kMaxArrayCount = uint64_t{1} << 26;   // 64 Mi elements, as other readers have it
inline constexpr uint32_t kMaxDims = 4;

// The alignment is a power of two in this range.
inline constexpr std::string_view kAlignmentKey = "general.alignment";
inline constexpr uint32_t kDefaultAlignment = 32;
inline constexpr uint32_t kMinAlignment = 8;
inline constexpr uint32_t kMaxAlignment = 65536;

// The smallest records possible: a key of one byte with a value of one byte, a tensor of one dim with a name
// of one byte, an empty string in an array.
inline constexpr uint64_t kMinEntryBytes = 8 + 1 + 4 + 1;
inline constexpr uint64_t kMinTensorRecordBytes = 8 + 1 + 4 + 8 + 4 + 8;
inline constexpr uint64_t kMinStringBytes = 8;

/// Names of all tensor type ids that ggml has ever given out, so that an unsupported type is named in the
/// error. Those that can be read are the rows of base/tensor_type.h.
inline constexpr std::array<std::string_view, 42> kGgmlTypeNames{
    "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
    "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
    "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
    "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
    "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
    "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4",    "Q1_0",
};

/// Ids that ggml has withdrawn: no current program writes them.
constexpr bool is_removed_ggml_type(uint32_t id) {
  return id == 4 || id == 5 || (id >= 31 && id <= 33) || (id >= 36 && id <= 38);
}

}  // namespace pellucid::gguf
