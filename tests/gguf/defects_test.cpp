// Defects of the file format that other GGUF readers had, one test each, named after its report. Each file
// must be refused with an error, or read correctly; the sanitizer builds of these tests find the rest.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "gguf/builder.h"
#include "gguf/outcome.h"
#include "gguf/reader.h"
#include "resources.h"

namespace pellucid::gguf {
namespace {

using pellucid::test::cpu_seconds;
using test::append;
using test::Builder;
using test::Bytes;
using test::bytes_of;
using test::contains;
using test::kF32;
using test::outcome;

constexpr uint32_t kQ4_0 = 2;
constexpr uint32_t kI8 = 24;
constexpr std::array<uint64_t, 14> kCounts{
    1ULL << 20, (1ULL << 31) - 1, 1ULL << 31,    1ULL << 32, UINT64_MAX / 33, UINT64_MAX / 14, 1ULL << 60,
    1ULL << 61, (1ULL << 62) + 1, INT64_MAX - 1, INT64_MAX,  1ULL << 63,      UINT64_MAX - 1,  UINT64_MAX};

/// A tensor record of this shape before 256 bytes of data.
std::string shape_outcome(const std::vector<uint64_t>& dims, uint32_t type = kF32) {
  return outcome(Builder().raw_tensor("t", type, dims, 0).filler(256));
}

// Talos 2024-1912 to -1916: n_kv, n_tensors, string and array lengths were multiplied before they were
// checked.
TEST(Defects, CVE_2024_21802_ArrayLength) {
  for (const uint64_t count : kCounts) {
    for (uint32_t element = 0; element < kValueTypes.size(); ++element) {
      EXPECT_NE(outcome(Builder().raw_array("k", element, count, Bytes(64))), "accepted") << count;
    }
  }
}

TEST(Defects, CVE_2024_21825_StringArrayLength) {
  for (const uint64_t count : kCounts) {
    const std::string result = outcome(Builder().raw_array("k", 8, count, Bytes(64)));
    EXPECT_TRUE(contains(result, "array length")) << result;
  }
}

TEST(Defects, CVE_2024_21836_TensorCount) {
  for (const uint64_t count : kCounts) {
    const std::string result = outcome(Builder().filler(4096).counts(count, 0));
    EXPECT_TRUE(contains(result, "number of tensors at byte 8")) << result;
  }
}

TEST(Defects, CVE_2024_23496_MetadataCount) {
  for (const uint64_t count : kCounts) {
    const std::string result = outcome(Builder().filler(4096).counts(0, count));
    EXPECT_TRUE(contains(result, "number of metadata entries at byte 16")) << result;
  }
}

TEST(Defects, CVE_2024_23605_StringLength) {
  for (const uint64_t length : kCounts) {
    EXPECT_TRUE(contains(outcome(Builder().raw("k", 8, bytes_of(length))), "string at byte 37"));
    Bytes key_length = Builder().counts(0, 1).bytes();
    append(key_length, bytes_of(length));
    append(key_length, Bytes(64));
    EXPECT_NE(outcome(key_length), "accepted");
  }
}

// Error paths that cleaned up half-built objects.
TEST(Defects, CVE_2024_32878_and_CVE_2024_41130_FailureAtEveryByte) {
  const Bytes whole = Builder()
                          .strings("tokens", {"a", "b", "c"})
                          .floats("scores", {1, 2, 3})
                          .zeros("t", TensorType::kF32, {4, 2})
                          .zeros("u", TensorType::kQ8_0, {32})
                          .bytes();
  EXPECT_EQ(outcome(whole), "accepted");
  for (size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_NE(outcome(cut), "accepted") << size;
  }
}

// A row length was divided by the block size of a removed type, which is 0.
TEST(Defects, LlamaCpp_8816_BlockSizeZero) {
  for (const uint32_t type :
       {4U, 5U, 31U, 32U, 33U, 36U, 37U, 38U, 255U, 0x7FFFFFFFU, 0x80000000U, UINT32_MAX}) {
    EXPECT_TRUE(contains(shape_outcome({256}, type), "is not supported")) << type;
  }
}

// The sum of the sizes of all tensors overflowed size_t.
TEST(Defects, CVE_2025_53630_SumOfTensorSizes) {
  EXPECT_NE(outcome(Builder()
                        .raw_tensor("a", kI8, {0x7FFFFFFFFFFFFFC0}, 0)
                        .raw_tensor("b", kI8, {0x7FFFFFFFFFFFFFC0}, 0x7FFFFFFFFFFFFFC0)
                        .filler(256)),
            "accepted");
  EXPECT_NE(outcome(Builder()
                        .raw_tensor("a", kF32, {0x1FFFFFFFFFFFFFF0}, 0)
                        .raw_tensor("b", kF32, {0x1FFFFFFFFFFFFFF0}, 0x7FFFFFFFFFFFFFC0)
                        .filler(256)),
            "accepted");
}

// The count was bounded by the size of the record in the file, the allocation used a larger one.
TEST(Defects, LlamaCpp_15711_CountsThatFitAreAllocatedAsTheyAreRead) {
  // As many tensors as 1 MiB could hold; the first record is already wrong.
  const Bytes bytes = Builder().filler(1 << 20).counts((1 << 20) / kMinTensorRecordBytes, 0).bytes();
  EXPECT_EQ(outcome(bytes), "tensor 0, name at byte 24: it is empty");
}

// Strides and products that wrap to 0, to a small number or to a negative one.
TEST(Defects, LlamaCpp_PR18674_StridesThatWrap) {
  constexpr uint64_t k2To42 = uint64_t{1} << 42;
  constexpr uint64_t k2To32 = uint64_t{1} << 32;
  const std::vector<std::vector<uint64_t>> shapes = {
      {k2To42 + 1, uint64_t{1} << 22},
      {k2To42 + 1, uint64_t{1} << 22, 1},
      {k2To32, k2To32},
      {k2To32, k2To32, 16},
      {uint64_t{1} << 62, 2},
      {uint64_t{1} << 62, 4},
      {uint64_t{1} << 63, 2},
      {2, uint64_t{1} << 63},
      {16, uint64_t{1} << 31, uint64_t{1} << 31},
      {65536, 65536, 65536, 65536},
      {k2To32 + 1, k2To32 - 1, k2To32, 3},
      {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
      {INT64_MAX, 2},
      {UINT64_MAX / 4 + 2},
  };
  for (const auto& dims : shapes) EXPECT_NE(shape_outcome(dims), "accepted") << dims[0];
}

// Logical exabytes, a few megabytes allocated.
TEST(Defects, CVE_2026_33298_TensorBytesOverflow) {
  for (uint64_t shift = 57; shift < 64; ++shift) {
    for (const uint64_t extra : {0U, 32U, 64U, 96U}) {
      EXPECT_NE(shape_outcome({(uint64_t{1} << shift) + extra}, kQ4_0), "accepted") << shift;
      EXPECT_NE(shape_outcome({32, (uint64_t{1} << shift) / 32 + extra}, kQ4_0), "accepted") << shift;
    }
  }
  EXPECT_TRUE(contains(shape_outcome({UINT64_MAX - 31}, kF32), "overflows 64 bits"));
  EXPECT_TRUE(contains(shape_outcome({uint64_t{1} << 33, uint64_t{1} << 31}, kQ4_0), "overflows 64 bits"));
}

// The bypass of the fix above it: an addition overflowed after the products were checked.
TEST(Defects, CVE_2026_27940_OffsetPlusSizeOverflow) {
  for (const uint64_t offset :
       {UINT64_MAX - 31, UINT64_MAX - 63, uint64_t{1} << 63, uint64_t{INT64_MAX} - 31}) {
    EXPECT_NE(outcome(Builder().raw_tensor("t", kF32, {16}, offset).filler(256)), "accepted") << offset;
  }
}

// The safety checks made loading "extremely slow".
TEST(Defects, LlamaCpp_PR19856_LargeVocabularyStaysFast) {
  std::vector<std::string> tokens;
  for (int i = 0; i < 262144; ++i) tokens.push_back("token" + std::to_string(i));
  const Bytes bytes = Builder().strings("tokenizer.ggml.tokens", tokens).bytes();
  const double start = cpu_seconds();
  const auto parsed = File::parse(bytes);
  EXPECT_LT(cpu_seconds() - start, 1);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value().metadata().strings("tokenizer.ggml.tokens").value()[262143], "token262143");
}

// Duplicates were looked for in quadratic time.
TEST(Defects, ManyKeysAndTensorsTakeNoQuadraticTime) {
  Builder builder;
  const std::string prefix(40, 'x');
  for (int i = 0; i < 100000; ++i) {
    builder.boolean(prefix + std::to_string(i), true);
    builder.raw_tensor(prefix + std::to_string(i), kF32, {1}, static_cast<uint64_t>(i) * 32);
  }
  const Bytes bytes = builder.filler(100000 * 32).bytes();
  const double start = cpu_seconds();
  const auto parsed = File::parse(bytes);
  EXPECT_LT(cpu_seconds() - start, 3);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  EXPECT_EQ(parsed.value().tensors().size(), 100000U);
}

// INT64_MAX / ne[1] with ne[1] == 0, from a file of 73 to 96 bytes.
TEST(Defects, LlamaCpp_PR26946_Ggml_PR1517_ZeroInEachDim) {
  for (size_t n_dims = 1; n_dims <= 4; ++n_dims) {
    for (size_t zero = 0; zero < n_dims; ++zero) {
      std::vector<uint64_t> dims(n_dims, 32);
      dims[zero] = 0;
      for (const uint32_t type : {kF32, kQ4_0}) {
        EXPECT_TRUE(contains(shape_outcome(dims, type), "it is 0")) << n_dims << " " << zero;
      }
    }
  }
}

// An assertion on an empty key, from a file of 37 bytes.
TEST(Defects, LlamaCpp_24884_EmptyKey) {
  Bytes bytes = Builder().raw("", 0, Bytes(1)).bytes();
  bytes.resize(37);
  EXPECT_NE(outcome(bytes), "accepted");
  EXPECT_TRUE(contains(outcome(Builder().u32("", 1)), "it is empty"));
}

// The padding macro wrapped; a general.alignment of another type aborted.
TEST(Defects, LlamaCpp_PR26318_Alignment) {
  for (const uint32_t value : {0U, 1U, 3U, 4U, 13U, 1U << 17, 1U << 31, UINT32_MAX}) {
    EXPECT_TRUE(contains(outcome(Builder().u32(kAlignmentKey, value)), "a power of two")) << value;
  }
  EXPECT_NE(outcome(Builder().scalar(kAlignmentKey, ValueType::kUint64, uint64_t{1} << 63)), "accepted");
  for (uint32_t type = 0; type < kValueTypes.size(); ++type) {
    if (type == static_cast<uint32_t>(ValueType::kUint32)) continue;
    EXPECT_NE(outcome(Builder().raw(kAlignmentKey, type, Bytes(64))), "accepted") << type;
  }
}

// Arrays were cast to the element type that the caller hoped for: scores as bytes were read over their end.
TEST(Defects, LlamaCpp_24888_ArraysOfAnotherElementType) {
  for (uint32_t element = 0; element < kValueTypes.size(); ++element) {
    if (element == static_cast<uint32_t>(ValueType::kArray)) continue;
    const Bytes bytes = Builder().raw_array("tokenizer.ggml.scores", element, 3, Bytes(24)).bytes();
    const auto parsed = File::parse(bytes);
    if (!parsed.ok()) continue;
    const bool of_floats = element == static_cast<uint32_t>(ValueType::kFloat32);
    EXPECT_EQ(parsed.value().metadata().floats("tokenizer.ggml.scores").ok(), of_floats) << element;
  }
}

// "Bleeding Llama": offset and size were not compared with the size of the file.
TEST(Defects, Ollama_CVE_2026_7482_TensorBeyondTheFile) {
  for (const uint64_t rows : {17ULL, 64ULL, 1ULL << 20, 1ULL << 40}) {
    EXPECT_TRUE(contains(shape_outcome({4, rows}), "the file is truncated")) << rows;
  }
  EXPECT_EQ(shape_outcome({4, 16}), "accepted");
}

// Checkpoints that run code when they are read.
TEST(Defects, CVE_2025_32444_PicklesAreNeverRead) {
  for (const std::string_view start : {std::string_view("PK\x03\x04"), std::string_view("\x80\x04\x95")}) {
    const auto* begin = reinterpret_cast<const std::byte*>(start.data());
    Bytes bytes(begin, begin + start.size());
    bytes.resize(1000);
    EXPECT_EQ(File::parse(bytes).error().code, ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace pellucid::gguf
