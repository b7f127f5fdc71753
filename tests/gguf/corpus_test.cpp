// Thousands of damaged files: a small file that has every kind of field, and the header of a real model, each
// with every field set to every boundary value, cut at every length, and with every bit of the small one
// flipped. Each must be read or refused with one proper error, in bounded memory; sanitizers watch the rest.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "gguf/allocations.h"
#include "gguf/builder.h"
#include "gguf/check_file.h"
#include "gguf/damage.h"
#include "gguf/models.h"
#include "gguf/reader.h"
#include "gguf/sample_file.h"

namespace pellucid::gguf {
namespace {

using test::Builder;
using test::Bytes;
using test::Field;
using test::FieldWalker;

uint64_t fnv1a(std::span<const std::byte> bytes) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const std::byte b : bytes) hash = (hash ^ static_cast<uint64_t>(b)) * 0x100000001B3;
  return hash;
}

/// Parses files made from one, each only once.
class Corpus {
 public:
  explicit Corpus(Bytes& file) : file_(file) {}

  /// The first `size` bytes of the file as it is now. A copy of its own lets the address sanitizer see a read
  /// past the end.
  void check(size_t size) {
    const Bytes copy(file_.begin(), file_.begin() + static_cast<std::ptrdiff_t>(size));
    if (seen_.insert(fnv1a(copy)).second) check_bytes(copy);
  }

  /// The file with one field changed. Large files are not copied.
  void set(const Field& field, uint64_t value) {
    Bytes original(file_.begin() + static_cast<std::ptrdiff_t>(field.offset),
                   file_.begin() + static_cast<std::ptrdiff_t>(field.offset + field.width));
    std::memcpy(file_.data() + field.offset, &value, field.width);
    constexpr size_t kCopied = 1 << 16;
    if (file_.size() <= kCopied) {
      check(file_.size());
    } else if (std::memcmp(original.data(), &value, field.width) != 0) {
      seen_.insert(field.offset * 0x9E3779B97F4A7C15 ^ value);
      check_bytes(file_);
    }
    std::memcpy(file_.data() + field.offset, original.data(), field.width);
  }

  [[nodiscard]] size_t distinct() const { return seen_.size(); }
  [[nodiscard]] size_t accepted() const { return accepted_; }
  [[nodiscard]] uint64_t most_allocated() const { return most_allocated_; }

 private:
  void check_bytes(std::span<const std::byte> bytes) {
    const uint64_t before = pellucid::test::allocated_bytes();
    const auto parsed = File::parse(bytes);
    const uint64_t used = pellucid::test::allocated_bytes() - before;
    accepted_ += parsed.ok() ? 1 : 0;
    most_allocated_ = std::max(most_allocated_, used);
    EXPECT_LE(used, 16384 + 16 * bytes.size());
    EXPECT_EQ(test::check_outcome(parsed, bytes), "");
  }

  Bytes& file_;
  std::unordered_set<uint64_t> seen_;
  size_t accepted_ = 0;
  uint64_t most_allocated_ = 0;
};

void report(const char* name, const Corpus& corpus) {
  std::printf("%s: %zu distinct files, %zu accepted, at most %lu bytes allocated for one\n", name,
              corpus.distinct(), corpus.accepted(), corpus.most_allocated());
}

TEST(Corpus, SmallFileDamagedInEveryField) {
  Bytes file = test::sample_file();
  ASSERT_TRUE(File::parse(file).ok()) << File::parse(file).error().message();
  Corpus corpus(file);
  const FieldWalker walker(file);
  for (const Field& field : walker.fields()) {
    for (const uint64_t value : test::field_values(field, file)) corpus.set(field, value);
  }
  for (size_t size = 0; size <= file.size(); ++size) corpus.check(size);
  for (size_t bit = 0; bit < walker.header_bytes() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    file[bit / 8] ^= mask;
    corpus.check(file.size());
    file[bit / 8] ^= mask;
  }
  report("small file", corpus);
  EXPECT_GE(corpus.distinct(), 10000U);
  EXPECT_GT(corpus.accepted(), 0U);
  EXPECT_LT(corpus.accepted(), corpus.distinct());
}

TEST(Corpus, PairsOfDimsTypesAndOffsets) {
  constexpr uint64_t kEdges[] = {1,
                                 3,
                                 32,
                                 256,
                                 uint64_t{1} << 31,
                                 uint64_t{1} << 32,
                                 (uint64_t{1} << 42) + 1,
                                 uint64_t{1} << 61,
                                 uint64_t{1} << 62,
                                 uint64_t{1} << 63,
                                 UINT64_MAX};
  size_t files = 0;
  for (const uint64_t a : kEdges) {
    for (const uint64_t b : kEdges) {
      for (const uint32_t type : {0U, 2U, 12U}) {
        for (const uint64_t offset : {uint64_t{0}, uint64_t{32}, UINT64_MAX - 31}) {
          EXPECT_EQ(test::check_parse(Builder().raw_tensor("t", type, {a, b, 1}, offset).filler(512).bytes()),
                    "");
          ++files;
        }
      }
    }
  }
  EXPECT_EQ(files, 11U * 11 * 3 * 3);
}

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  Bytes bytes(static_cast<size_t>(in.tellg()));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

TEST(Corpus, HeaderOfARealModelDamagedInEveryField) {
  const auto path = pellucid::test::find_model(pellucid::test::kSmolLM2);
  if (!path) GTEST_SKIP() << "the model is not in the cache";
  Bytes file = read_file(*path);
  ASSERT_TRUE(File::parse(file).ok());
  const std::vector<Field> fields = FieldWalker(file).fields();
  Corpus corpus(file);
  for (size_t i = 0; i < fields.size(); ++i) corpus.set(fields[i], i % 2 == 0 ? UINT64_MAX : i);
  report("real header", corpus);
  EXPECT_GT(corpus.distinct(), 100U);
}

}  // namespace
}  // namespace pellucid::gguf
