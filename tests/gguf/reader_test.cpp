// The contract of the reader, field by field: what a file must be, and the one-line error where it is not.
#include "gguf/reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gguf/builder.h"
#include "gguf/check_file.h"
#include "gguf/models.h"
#include "gguf/outcome.h"

namespace pellucid::gguf {
namespace {

using test::append;
using test::Builder;
using test::Bytes;
using test::bytes_of;
using test::contains;
using test::kF32;
using test::outcome;
using test::string_bytes;

Bytes text_bytes(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

ErrorCode code(const Bytes& bytes) { return File::parse(bytes).error().code; }

TEST(Reader, ReadsMetadataAndTensors) {
  Bytes data(6 * 4);
  data[4] = std::byte{42};
  const Bytes bytes = Builder()
                          .string("general.architecture", "llama")
                          .tensor("a", TensorType::kF32, {3, 2}, data)
                          .zeros("b", TensorType::kQ4_1, {64, 1, 5})
                          .bytes();
  const auto parsed = File::parse(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  const File& file = parsed.value();
  EXPECT_EQ(file.version(), 3U);
  EXPECT_EQ(file.size_bytes(), bytes.size());
  EXPECT_EQ(file.mapping(), nullptr);
  EXPECT_EQ(file.metadata().string("general.architecture").value(), "llama");
  ASSERT_EQ(file.tensors().size(), 2U);
  const Tensor& a = file.tensors()[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.n_dims, 2U);
  EXPECT_EQ(a.dims, (std::array<uint64_t, 4>{3, 2, 1, 1}));
  EXPECT_EQ(Bytes(a.data.begin(), a.data.end()), data);
  const Tensor* b = file.find_tensor("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->n_values(), 320U);
  EXPECT_EQ(b->data.size(), 200U);
  EXPECT_EQ(file.find_tensor("c"), nullptr);
}

TEST(Reader, ReadsVersion2) { EXPECT_EQ(outcome(Builder().version(2).u32("a", 1)), "accepted"); }

TEST(Reader, ReadsAFileWithoutTensorsOrMetadata) {
  EXPECT_EQ(outcome(Builder()), "accepted");
  // Without tensors the padding may be missing as well.
  Bytes bytes = Builder().u32("key", 1).bytes();
  bytes.resize(24 + 8 + 3 + 4 + 4);
  EXPECT_EQ(outcome(bytes), "accepted");
}

TEST(Reader, MovingAFileKeepsItsViews) {
  const Bytes bytes = Builder().string("k", "v").zeros("t", TensorType::kF32, {4}).bytes();
  auto parsed = File::parse(bytes);
  ASSERT_TRUE(parsed.ok());
  const File moved = std::move(parsed).value();
  EXPECT_EQ(moved.metadata().string("k").value(), "v");
  EXPECT_EQ(moved.find_tensor("t"), moved.tensors().data());
}

TEST(Reader, NamesOtherFormats) {
  const std::string safetensors("\x40\0\0\0\0\0\0\0{\"__metadata__\"", 23);
  EXPECT_EQ(outcome(text_bytes(safetensors)),
            "magic at byte 0: this is a safetensors file, a GGUF file is needed");
  EXPECT_TRUE(contains(outcome(text_bytes("PK\x03\x04....")), "a zip archive"));
  EXPECT_TRUE(contains(outcome(text_bytes("\x80\x02}q")), "a Python pickle"));
  EXPECT_TRUE(contains(outcome(text_bytes("\x80\x05}q")), "a Python pickle"));
  EXPECT_TRUE(contains(outcome(text_bytes("tjgg\x03")), "a GGML file from before GGUF"));
  EXPECT_TRUE(contains(outcome(text_bytes("version https://git-lfs.github.com/spec/v1\n")), "Git LFS"));
  EXPECT_TRUE(contains(outcome(text_bytes("<!DOCTYPE html>")), "a web page"));
  EXPECT_TRUE(contains(outcome(text_bytes("{\"a\": 1}")), "a JSON file"));
  EXPECT_EQ(code(text_bytes("PK\x03\x04....")), ErrorCode::kUnsupported);
  EXPECT_EQ(outcome(text_bytes("hello world")), "magic at byte 0: this is not a GGUF file");
  EXPECT_EQ(outcome(text_bytes("gguf....")), "magic at byte 0: this is not a GGUF file");
  EXPECT_EQ(code(text_bytes("hello world")), ErrorCode::kBadModel);
  EXPECT_EQ(outcome(text_bytes("GG")), "magic at byte 0: the file is truncated (4 bytes needed, 2 left)");
  EXPECT_TRUE(contains(outcome(Bytes{}), "truncated"));
}

TEST(Reader, RefusesOtherVersions) {
  EXPECT_EQ(outcome(Builder().version(0)), "version at byte 4: 0 is not a version of GGUF");
  EXPECT_EQ(outcome(Builder().version(1)),
            "version at byte 4: GGUF version 1 is too old, versions 2 and 3 are supported");
  EXPECT_EQ(outcome(Builder().version(4)),
            "version at byte 4: GGUF version 4 is newer than this program, which reads 2 and 3");
  EXPECT_TRUE(contains(outcome(Builder().version(UINT32_MAX)), "newer"));
  for (const uint32_t swapped : {0x01000000U, 0x02000000U, 0x03000000U}) {
    EXPECT_EQ(outcome(Builder().version(swapped)),
              "version at byte 4: this is a big-endian file, only little-endian ones are supported");
  }
  EXPECT_EQ(code(Builder().version(0).bytes()), ErrorCode::kBadModel);
  EXPECT_EQ(code(Builder().version(4).bytes()), ErrorCode::kUnsupported);
}

TEST(Reader, BoundsCountsByTheBytesLeft) {
  const auto with_counts = [&](uint64_t n_tensors, uint64_t n_entries) {
    Bytes bytes = Builder().bytes();
    bytes.resize(8);
    append(bytes, bytes_of(n_tensors));
    append(bytes, bytes_of(n_entries));
    append(bytes, Bytes(33));
    return bytes;
  };
  EXPECT_EQ(outcome(with_counts(2, 0)), "number of tensors at byte 8: 2 cannot fit in the 41 bytes left");
  EXPECT_EQ(outcome(with_counts(0, 3)),
            "number of metadata entries at byte 16: 3 cannot fit in the 33 bytes left");
  EXPECT_TRUE(contains(outcome(with_counts(UINT64_MAX, 0)), "cannot fit"));
  EXPECT_TRUE(contains(outcome(with_counts(0, UINT64_MAX / 14)), "cannot fit"));
}

TEST(Reader, NamesTheTruncatedFieldAndItsOffset) {
  const Bytes whole = Builder().u32("key", 1).bytes();
  const auto cut = [&](size_t size) {
    return outcome(Bytes(whole.begin(), whole.begin() + static_cast<long>(size)));
  };
  EXPECT_EQ(cut(6), "version at byte 4: the file is truncated (4 bytes needed, 2 left)");
  EXPECT_EQ(cut(15), "number of tensors at byte 8: the file is truncated (8 bytes needed, 7 left)");
  Bytes longer = Builder().u32("key", 1).counts(0, 2).bytes();
  longer.resize(24 + 19 + 10);
  EXPECT_EQ(outcome(longer), "metadata entry 1, key at byte 43: it is empty");
}

TEST(Reader, ChecksKeys) {
  EXPECT_EQ(outcome(Builder().u32(std::string(65535, 'k'), 1)), "accepted");
  EXPECT_EQ(outcome(Builder().u32(std::string(65536, 'k'), 1)),
            "metadata entry 0, key at byte 24: 65536 exceeds the limit of 65535");
  EXPECT_EQ(outcome(Builder().u32("", 1)), "metadata entry 0, key at byte 24: it is empty");
  EXPECT_EQ(outcome(Builder().u32("a\nb", 1)),
            "metadata entry 0, key at byte 24: 'a\\nb' is not printable ASCII");
  EXPECT_TRUE(contains(outcome(Builder().u32(std::string_view("a\0", 2), 1)), "'a\\x00' is not printable"));
  EXPECT_TRUE(contains(outcome(Builder().u32("\xff", 1)), "is not printable"));
  EXPECT_TRUE(contains(outcome(Builder().u32("a\x7f", 1)), "'a\\x7f' is not printable"));
  EXPECT_EQ(outcome(Builder().u32("k", 1).u32("other", 1).u32("k", 2)),
            "metadata entry 2, key at byte 62: 'k' is there twice");
}

TEST(Reader, StringsMayHoldAnyBytesUpToTheLimit) {
  EXPECT_EQ(outcome(Builder().string("k", std::string_view("\0\xff\n", 3))), "accepted");
  EXPECT_EQ(outcome(Builder().string("k", std::string(kMaxStringBytes, 'x'))), "accepted");
  EXPECT_EQ(outcome(Builder().string("k", std::string(kMaxStringBytes + 1, 'x'))),
            "metadata entry 0, 'k', string at byte 37: 16777217 exceeds the limit of 16777216");
  EXPECT_EQ(outcome(Builder().raw("k", 8, bytes_of<uint64_t>(100))),
            "metadata entry 0, 'k', string at byte 37: 100 cannot fit in the 19 bytes left");
}

TEST(Reader, ChecksValueTypesAndBools) {
  EXPECT_EQ(outcome(Builder().raw("k", 13, Bytes(8))),
            "metadata entry 0, 'k', value type at byte 33: 13 is not a value type of GGUF");
  EXPECT_TRUE(contains(outcome(Builder().raw("k", UINT32_MAX, Bytes(8))), "is not a value type"));
  for (int byte = 0; byte < 256; ++byte) {
    const auto as_byte = static_cast<uint8_t>(byte);
    const bool accepted = outcome(Builder().scalar("k", ValueType::kBool, as_byte)) == "accepted";
    EXPECT_EQ(accepted, byte <= 1) << byte;
    const bool in_array =
        outcome(Builder().array<uint8_t>("k", ValueType::kBool, {0, 1, as_byte})) == "accepted";
    EXPECT_EQ(in_array, byte <= 1) << byte;
  }
}

TEST(Reader, ChecksArrays) {
  EXPECT_EQ(outcome(Builder().ints("k", {})), "accepted");
  EXPECT_EQ(outcome(Builder().raw_array("k", 9, 1, Bytes(32))),
            "metadata entry 0, 'k', element type at byte 37: arrays of arrays are not supported");
  EXPECT_TRUE(contains(outcome(Builder().raw_array("k", 13, 1, Bytes(32))), "13 is not a value type"));
  // 11 bytes of padding follow in the first file, 15 in the second.
  EXPECT_EQ(outcome(Builder().raw_array("k", 5, 8, Bytes(4))),
            "metadata entry 0, 'k', array length at byte 41: 8 cannot fit in the 15 bytes left");
  EXPECT_EQ(outcome(Builder().raw_array("k", 8, 2, Bytes(0))),
            "metadata entry 0, 'k', array length at byte 41: 2 cannot fit in the 15 bytes left");
  EXPECT_TRUE(
      contains(outcome(Builder().raw_array("k", 0, kMaxArrayCount + 1, Bytes(0))), "exceeds the limit"));
  Bytes second_is_cut = string_bytes("ab");
  append(second_is_cut, bytes_of<uint64_t>(99));
  EXPECT_TRUE(
      contains(outcome(Builder().raw_array("k", 8, 2, second_is_cut)), "element 1, string at byte 59"));
}

TEST(Reader, ChecksTheAlignment) {
  for (uint32_t shift = 0; shift < 32; ++shift) {
    const uint32_t alignment = uint32_t{1} << shift;
    Builder builder = Builder().u32(kAlignmentKey, alignment);
    EXPECT_EQ(outcome(builder) == "accepted", alignment >= 8 && alignment <= 65536) << alignment;
  }
  for (const uint32_t alignment : {0U, 3U, 13U, 24U, 65535U, UINT32_MAX}) {
    EXPECT_EQ(outcome(Builder().u32(kAlignmentKey, alignment)),
              "'general.alignment' is a uint32, a power of two from 8 to 65536");
  }
  EXPECT_NE(outcome(Builder().scalar<uint64_t>(kAlignmentKey, ValueType::kUint64, 32)), "accepted");
  EXPECT_NE(outcome(Builder().i32(kAlignmentKey, 32)), "accepted");
  EXPECT_NE(outcome(Builder().string(kAlignmentKey, "32")), "accepted");
  EXPECT_EQ(
      outcome(Builder().alignment(4096).zeros("a", TensorType::kF32, {1}).zeros("b", TensorType::kF32, {1})),
      "accepted");
  EXPECT_EQ(outcome(Builder().alignment(64).raw_tensor("a", kF32, {1}, 32).filler(64)),
            "tensor 0, 'a', offset 32 is not a multiple of the alignment 64");
}

TEST(Reader, ChecksTensorNames) {
  EXPECT_EQ(outcome(Builder().zeros(std::string(64, 'n'), TensorType::kF32, {1})), "accepted");
  EXPECT_EQ(outcome(Builder().zeros(std::string(65, 'n'), TensorType::kF32, {1})),
            "tensor 0, name at byte 24: 65 exceeds the limit of 64");
  EXPECT_EQ(outcome(Builder().zeros("", TensorType::kF32, {1})), "tensor 0, name at byte 24: it is empty");
  EXPECT_TRUE(
      contains(outcome(Builder().zeros("\x1b[2J", TensorType::kF32, {1})), "'\\x1b[2J' is not printable"));
  EXPECT_TRUE(contains(outcome(Builder().zeros("a", TensorType::kF32, {1}).zeros("a", TensorType::kF32, {1})),
                       "tensor 1, name at byte 57: 'a' is there twice"));
}

TEST(Reader, ChecksDims) {
  EXPECT_EQ(outcome(Builder().raw_tensor("t", kF32, {}, 0).filler(64)),
            "tensor 0, 't', number of dims at byte 33: it is from 1 to 4, the file has 0");
  EXPECT_TRUE(contains(outcome(Builder().raw_tensor("t", kF32, {1, 1, 1, 1, 1}, 0).filler(64)), "has 5"));
  EXPECT_EQ(outcome(Builder().zeros("t", TensorType::kF32, {2, 3, 4, 5})), "accepted");
  EXPECT_EQ(
      outcome(Builder().raw_tensor("t", 2, {33}, 0).filler(64)),
      "tensor 0, 't', dims at byte 33: rows of 33 values are not whole blocks of 32, which type Q4_0 needs");
  EXPECT_TRUE(
      contains(outcome(Builder().raw_tensor("t", 12, {128, 2}, 0).filler(256)), "whole blocks of 256"));
}

TEST(Reader, ChecksPlaces) {
  EXPECT_EQ(outcome(Builder().raw_tensor("t", kF32, {16}, 0).filler(63)),
            "tensor 0, 't', the file is truncated (64 bytes needed at 0 of the data, which has 63)");
  EXPECT_EQ(outcome(Builder().raw_tensor("t", kF32, {16}, 0).filler(64)), "accepted");
  EXPECT_EQ(outcome(Builder().raw_tensor("t", kF32, {1}, 64).filler(64)),
            "tensor 0, 't', the file is truncated (4 bytes needed at 64 of the data, which has 64)");
  EXPECT_EQ(outcome(Builder().raw_tensor("t", kF32, {1}, 4).filler(64)),
            "tensor 0, 't', offset 4 is not a multiple of the alignment 32");
  EXPECT_TRUE(
      contains(outcome(Builder().raw_tensor("t", kF32, {1}, UINT64_MAX - 31).filler(64)), "truncated"));
  // Records that end at a multiple of the alignment need no padding.
  const Bytes exact = Builder().raw_tensor("8 bytes.", kF32, {1}, 0).filler(4).bytes();
  EXPECT_EQ(exact.size(), 64U + 4);
  EXPECT_EQ(outcome(exact), "accepted");
  Bytes unpadded = Builder().raw_tensor("t", kF32, {1}, 0).bytes();
  unpadded.resize(58);
  EXPECT_EQ(outcome(unpadded),
            "padding before the tensor data at byte 57: the file is truncated (7 bytes needed, 1 left)");
}

TEST(Reader, RefusesOverlapAndAcceptsGaps) {
  const auto two = [](uint64_t first, uint64_t second) {
    return Builder().raw_tensor("a", kF32, {16}, first).raw_tensor("b", kF32, {16}, second).filler(256);
  };
  EXPECT_EQ(outcome(two(0, 0)).substr(0, 7), "tensors");
  EXPECT_EQ(outcome(two(0, 32)), "tensors 'a' and 'b' overlap");
  EXPECT_EQ(outcome(two(32, 0)), "tensors 'b' and 'a' overlap");
  EXPECT_EQ(outcome(two(0, 64)), "accepted");
  EXPECT_EQ(outcome(two(64, 0)), "accepted");    // any order
  EXPECT_EQ(outcome(two(32, 192)), "accepted");  // a gap before and between
  EXPECT_EQ(outcome(Builder().zeros("a", TensorType::kF32, {1}).filler(1000)), "accepted");  // bytes after
}

TEST(Reader, AcceptsExactlyTheSupportedTypes) {
  static_assert(kGgmlTypeNames.size() == 42);
  for (uint32_t id = 0; id < 256; ++id) {
    const TensorTypeInfo* row = find_tensor_type(id);
    const std::string result = outcome(Builder().raw_tensor("t", id, {256}, 0).filler(1024));
    if (row != nullptr) {
      EXPECT_EQ(result, "accepted") << id;
      EXPECT_EQ(row->name, kGgmlTypeNames[id]);
    } else {
      EXPECT_TRUE(contains(result, "is not supported")) << id;
      if (id >= kGgmlTypeNames.size()) continue;
      EXPECT_TRUE(contains(result, kGgmlTypeNames[id])) << result;
    }
  }
  EXPECT_EQ(outcome(Builder().raw_tensor("t", 16, {256}, 0).filler(1024)),
            "tensor 0, 't', type at byte 45: type IQ2_XXS (16) is not supported");
  EXPECT_EQ(outcome(Builder().raw_tensor("t", 31, {256}, 0).filler(1024)),
            "tensor 0, 't', type at byte 45: type Q4_0_4_4 (31), withdrawn by ggml, is not supported");
  EXPECT_EQ(outcome(Builder().raw_tensor("t", 200, {256}, 0).filler(1024)),
            "tensor 0, 't', type at byte 45: unknown type 200 is not supported");
}

/// A file on disk for the time of a test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const Bytes& bytes)
      : path_(std::filesystem::temp_directory_path() /
              ("pellucid_reader_" + std::to_string(::getpid()) + ".gguf")) {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path_); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(ReaderOpen, MapsAFileAndNamesItInErrors) {
  const TemporaryFile good(Builder().string("k", "v").zeros("t", TensorType::kF32, {4}).bytes());
  auto parsed = File::open(good.path());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  const File file = std::move(parsed).value();
  ASSERT_NE(file.mapping(), nullptr);
  EXPECT_EQ(file.mapping()->bytes().size(), file.size_bytes());
  EXPECT_EQ(file.metadata().string("k").value(), "v");
}

TEST(ReaderOpen, FailsWithThePathAndCanBeTriedAgain) {
  const TemporaryFile bad(Builder().version(9).bytes());
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto refused = File::open(bad.path());
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().what, "cannot read the model '" + bad.path() + "'");
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  }
  EXPECT_EQ(File::open(bad.path() + ".missing").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(File::open("/").error().code, ErrorCode::kIo);
  EXPECT_EQ(File::open("/dev/null").error().code, ErrorCode::kIo);
}

TEST(ReaderOpen, IsFastOnALargeVocabulary) {
  const auto path = pellucid::test::find_model(pellucid::test::kGemma3);
  if (!path) GTEST_SKIP() << "the model is not in the cache";
  std::clock_t best = CLOCKS_PER_SEC;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const std::clock_t start = std::clock();
    const auto parsed = File::open(*path);
    best = std::min(best, std::clock() - start);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    EXPECT_EQ(parsed.value().metadata().strings("tokenizer.ggml.tokens").value().size(), 262144U);
  }
  // About 3 ms in a release build.
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
  constexpr double kSeconds = 0.06;
#else
  constexpr double kSeconds = 1;
#endif
  EXPECT_LT(static_cast<double>(best) / CLOCKS_PER_SEC, kSeconds);
}

}  // namespace
}  // namespace pellucid::gguf
