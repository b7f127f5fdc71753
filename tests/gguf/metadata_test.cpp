// Typed access: what each accessor takes, and the errors of what it does not take.
#include "gguf/metadata.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "gguf/builder.h"
#include "gguf/reader.h"

namespace pellucid::gguf {
namespace {

using test::Builder;
using test::Bytes;

/// A parsed file and the bytes that it points into.
struct Parsed {
  Bytes bytes;
  Result<File> file;
  explicit Parsed(const Builder& builder) : bytes(builder.bytes()), file(File::parse(bytes)) {}
  [[nodiscard]] const Metadata& metadata() const { return file.value().metadata(); }
};

template <typename T>
std::string why(const Result<T>& result) {
  return result.ok() ? "no error" : result.error().message();
}

TEST(Metadata, EntriesKeepOrderAndDeclaredType) {
  const Parsed parsed(Builder().string("b", "x").u32("a", 7).boolean("c", true));
  ASSERT_TRUE(parsed.file.ok()) << why(parsed.file);
  const auto entries = parsed.metadata().entries();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].key, "b");
  EXPECT_EQ(entries[1].type, ValueType::kUint32);
  EXPECT_EQ(std::get<uint64_t>(entries[1].value), 7U);
  EXPECT_EQ(std::get<bool>(entries[2].value), true);
  EXPECT_TRUE(parsed.metadata().contains("a"));
  EXPECT_FALSE(parsed.metadata().contains("d"));
}

TEST(Metadata, EveryScalarTypeIsWidened) {
  const Parsed parsed(Builder()
                          .scalar<uint8_t>("u8", ValueType::kUint8, 255)
                          .scalar<int8_t>("i8", ValueType::kInt8, -128)
                          .scalar<uint16_t>("u16", ValueType::kUint16, 65535)
                          .scalar<int16_t>("i16", ValueType::kInt16, -32768)
                          .scalar<uint64_t>("u64", ValueType::kUint64, UINT64_MAX)
                          .scalar<int64_t>("i64", ValueType::kInt64, INT64_MIN)
                          .scalar<float>("f32", ValueType::kFloat32, 0.1F)
                          .scalar<double>("f64", ValueType::kFloat64, 0.1));
  ASSERT_TRUE(parsed.file.ok()) << why(parsed.file);
  const auto value = [&](const char* key) { return parsed.metadata().find(key)->value; };
  EXPECT_EQ(std::get<uint64_t>(value("u8")), 255U);
  EXPECT_EQ(std::get<int64_t>(value("i8")), -128);
  EXPECT_EQ(std::get<uint64_t>(value("u16")), 65535U);
  EXPECT_EQ(std::get<int64_t>(value("i16")), -32768);
  EXPECT_EQ(std::get<uint64_t>(value("u64")), UINT64_MAX);
  EXPECT_EQ(std::get<int64_t>(value("i64")), INT64_MIN);
  EXPECT_EQ(std::get<double>(value("f32")), static_cast<double>(0.1F));
  EXPECT_EQ(std::get<double>(value("f64")), 0.1);
}

TEST(Metadata, U32TakesAnyIntegerInRange) {
  const Parsed parsed(Builder()
                          .scalar<uint8_t>("u8", ValueType::kUint8, 9)
                          .scalar<int64_t>("i64", ValueType::kInt64, UINT32_MAX)
                          .scalar<uint64_t>("large", ValueType::kUint64, uint64_t{1} << 32)
                          .i32("negative", -1)
                          .f32("float", 1)
                          .boolean("bool", true));
  const Metadata& metadata = parsed.metadata();
  EXPECT_EQ(metadata.u32("u8").value(), 9U);
  EXPECT_EQ(metadata.u32("i64").value(), UINT32_MAX);
  EXPECT_EQ(why(metadata.u32("large")), "metadata key 'large': 4294967296 is out of the range of uint32");
  EXPECT_EQ(why(metadata.u32("negative")), "metadata key 'negative': -1 is out of the range of uint32");
  EXPECT_EQ(why(metadata.u32("float")), "metadata key 'float': an integer is needed, the file has float32");
  EXPECT_FALSE(metadata.u32("bool").ok());
}

TEST(Metadata, FallbackIsForAMissingKeyOnly) {
  const Parsed parsed(Builder().string("s", "x").u32("u", 1));
  const Metadata& metadata = parsed.metadata();
  EXPECT_EQ(metadata.u32_or("none", 5).value(), 5U);
  EXPECT_EQ(metadata.f32_or("none", 2.5F).value(), 2.5F);
  EXPECT_EQ(metadata.boolean_or("none", true).value(), true);
  EXPECT_EQ(metadata.string_or("none", "y").value(), "y");
  EXPECT_FALSE(metadata.u32_or("s", 5).ok());
  EXPECT_FALSE(metadata.f32_or("u", 5).ok());
  EXPECT_FALSE(metadata.boolean_or("u", true).ok());
  EXPECT_FALSE(metadata.string_or("u", "y").ok());
}

TEST(Metadata, MissingAndWrongTypeAreDifferentErrors) {
  const Parsed parsed(Builder().u32("u", 1));
  EXPECT_EQ(why(parsed.metadata().string("s")), "metadata key 's': it is missing from the model file");
  EXPECT_EQ(why(parsed.metadata().string("u")), "metadata key 'u': a string is needed, the file has uint32");
  EXPECT_EQ(parsed.metadata().u32("s").error().code, ErrorCode::kBadModel);
  EXPECT_FALSE(parsed.metadata().f32("s").ok());
  EXPECT_FALSE(parsed.metadata().strings("s").ok());
  EXPECT_FALSE(parsed.metadata().floats("s").ok());
  EXPECT_FALSE(parsed.metadata().ints("s").ok());
}

TEST(Metadata, F32MustBeFinite) {
  const Parsed parsed(Builder()
                          .f32("nan", std::numeric_limits<float>::quiet_NaN())
                          .f32("inf", -std::numeric_limits<float>::infinity())
                          .scalar<double>("large", ValueType::kFloat64, 1e39)
                          .scalar<double>("fits", ValueType::kFloat64, 1e38));
  EXPECT_FALSE(parsed.metadata().f32("nan").ok());
  EXPECT_FALSE(parsed.metadata().f32("inf").ok());
  EXPECT_FALSE(parsed.metadata().f32("large").ok());
  EXPECT_EQ(parsed.metadata().f32("fits").value(), 1e38F);
}

TEST(Metadata, ArraysNeedTheirElementType) {
  const Parsed parsed(Builder()
                          .strings("strings", {"a", "", std::string("\0\xff", 2)})
                          .floats("floats", {1.5F, -2})
                          .floats("nan", {1, std::numeric_limits<float>::quiet_NaN()})
                          .array<uint8_t>("bytes", ValueType::kUint8, {0, 255})
                          .array<uint8_t>("bools", ValueType::kBool, {0, 1})
                          .floats("no floats", {})
                          .u32("scalar", 1));
  ASSERT_TRUE(parsed.file.ok()) << why(parsed.file);
  const Metadata& metadata = parsed.metadata();
  const auto strings = metadata.strings("strings").value();
  ASSERT_EQ(strings.size(), 3U);
  EXPECT_EQ(strings[2], std::string_view("\0\xff", 2));
  EXPECT_EQ(metadata.floats("floats").value(), (std::vector<float>{1.5F, -2}));
  EXPECT_EQ(why(metadata.floats("nan")), "metadata key 'nan': element 1 is NaN");
  EXPECT_EQ(why(metadata.floats("bytes")),
            "metadata key 'bytes': an array of float32 is needed, the file has an array of uint8");
  EXPECT_EQ(why(metadata.strings("scalar")),
            "metadata key 'scalar': an array of string is needed, the file has uint32");
  EXPECT_FALSE(metadata.strings("floats").ok());
  EXPECT_FALSE(metadata.ints("floats").ok());
  EXPECT_FALSE(metadata.ints("bools").ok());
  EXPECT_FALSE(metadata.ints("no floats").ok());
  EXPECT_FALSE(metadata.ints("strings").ok());
  EXPECT_FALSE(metadata.ints("scalar").ok());
}

TEST(Metadata, IntsTakesAnyIntegerTypeInRange) {
  const Parsed parsed(Builder()
                          .array<uint8_t>("u8", ValueType::kUint8, {0, 255})
                          .array<int8_t>("i8", ValueType::kInt8, {-128, 127})
                          .array<uint16_t>("u16", ValueType::kUint16, {65535})
                          .array<int16_t>("i16", ValueType::kInt16, {-32768})
                          .array<uint32_t>("u32", ValueType::kUint32, {INT32_MAX})
                          .array<int32_t>("i32", ValueType::kInt32, {INT32_MIN, INT32_MAX})
                          .array<uint64_t>("u64", ValueType::kUint64, {INT32_MAX})
                          .array<int64_t>("i64", ValueType::kInt64, {INT32_MIN})
                          .array<uint32_t>("large", ValueType::kUint32, {uint32_t{1} << 31})
                          .array<int64_t>("negative", ValueType::kInt64, {int64_t{INT32_MIN} - 1})
                          .array<int32_t>("empty", ValueType::kInt32, {}));
  const Metadata& metadata = parsed.metadata();
  const auto ints = [&](const char* key) { return metadata.ints(key).value(); };
  using Ints = std::vector<int32_t>;
  EXPECT_EQ(ints("u8"), (Ints{0, 255}));
  EXPECT_EQ(ints("i8"), (Ints{-128, 127}));
  EXPECT_EQ(ints("u16"), Ints{65535});
  EXPECT_EQ(ints("i16"), Ints{-32768});
  EXPECT_EQ(ints("u32"), Ints{INT32_MAX});
  EXPECT_EQ(ints("i32"), (Ints{INT32_MIN, INT32_MAX}));
  EXPECT_EQ(ints("u64"), Ints{INT32_MAX});
  EXPECT_EQ(ints("i64"), Ints{INT32_MIN});
  EXPECT_EQ(ints("empty"), Ints{});
  EXPECT_EQ(why(metadata.ints("large")), "metadata key 'large': element 0 is out of the range of int32");
  EXPECT_FALSE(metadata.ints("negative").ok());
}

TEST(Metadata, ArrayElementsAreWidened) {
  const Parsed parsed(Builder()
                          .array<int8_t>("i8", ValueType::kInt8, {1, -2})
                          .array<uint64_t>("u64", ValueType::kUint64, {1, UINT64_MAX})
                          .floats("f32", {1, 0.5F})
                          .array<uint8_t>("bool", ValueType::kBool, {0, 1})
                          .strings("string", {"a", "b"}));
  const auto second = [&](const char* key) {
    return std::get<Array>(parsed.metadata().find(key)->value).at(1);
  };
  EXPECT_EQ(second("i8"), Scalar(int64_t{-2}));
  EXPECT_EQ(second("u64"), Scalar(UINT64_MAX));
  EXPECT_EQ(second("f32"), Scalar(0.5));
  EXPECT_EQ(second("bool"), Scalar(true));
  EXPECT_EQ(second("string"), Scalar(std::string_view("b")));
}

TEST(Metadata, ErrorsAreOneLineWhateverTheKey) {
  // Keys are often made from general.architecture, which the file chooses.
  const std::string key = "evil\n\x1b[2J" + std::string(1000, 'a') + ".block_count";
  const std::string message = why(Metadata().u32(key));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(message.size(), 200U);
}

TEST(Metadata, AddRefusesADuplicate) {
  Metadata metadata;
  EXPECT_TRUE(metadata.add({"k", ValueType::kUint32, uint64_t{1}}));
  EXPECT_FALSE(metadata.add({"k", ValueType::kUint32, uint64_t{2}}));
  EXPECT_EQ(metadata.u32("k").value(), 1U);
  EXPECT_EQ(metadata.entries().size(), 1U);
}

}  // namespace
}  // namespace pellucid::gguf
