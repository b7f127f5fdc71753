// The metadata and tensors of real models against what the Python package gguf reads from them: golden files
// made by golden.py.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string>

#include "gguf/models.h"
#include "gguf/reader.h"

namespace pellucid::gguf {
namespace {

/// CRC-32 as zlib computes it, so that golden.py can.
class Crc32 {
 public:
  void add(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < size; ++i) state_ = kTable[(state_ ^ bytes[i]) & 0xFF] ^ state_ >> 8;
  }
  [[nodiscard]] uint32_t value() const { return ~state_; }

 private:
  static constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t entry = i;
      for (int bit = 0; bit < 8; ++bit) entry = entry >> 1 ^ (entry & 1 ? 0xEDB88320 : 0);
      table[i] = entry;
    }
    return table;
  }();
  uint32_t state_ = 0xFFFFFFFF;
};

void add_string(Crc32& crc, std::string_view text) {
  const uint64_t length = text.size();
  crc.add(&length, sizeof(length));
  crc.add(text.data(), text.size());
}

/// Scalars as hexadecimal doubles or integers, everything longer as the CRC-32 of its bytes in the file.
std::string describe(const Entry& entry) {
  struct Describe {
    std::string operator()(uint64_t v) const { return fmt::to_string(v); }
    std::string operator()(int64_t v) const { return fmt::to_string(v); }
    std::string operator()(double v) const { return fmt::format("{:.17g}", v); }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::string_view v) const {
      Crc32 crc;
      add_string(crc, v);
      return fmt::format("crc {:08x}", crc.value());
    }
    std::string operator()(const Array& v) const {
      Crc32 crc;
      crc.add(v.bytes.data(), v.bytes.size());
      for (const std::string_view text : v.strings) add_string(crc, text);
      return fmt::format("{} x {} crc {:08x}", info(v.element).name, v.count, crc.value());
    }
  };
  return fmt::format("{} {} {}", entry.key, info(entry.type).name, std::visit(Describe{}, entry.value));
}

std::string dump(const File& file) {
  std::string out = fmt::format("version {}\n", file.version());
  for (const Entry& entry : file.metadata().entries()) out += describe(entry) + "\n";
  for (const Tensor& tensor : file.tensors()) {
    Crc32 crc;
    crc.add(tensor.data.data(), tensor.data.size());
    out += fmt::format("{} {} {}", tensor.name, pellucid::info(tensor.type).name, tensor.dims[0]);
    for (uint32_t i = 1; i < tensor.n_dims; ++i) out += fmt::format("x{}", tensor.dims[i]);
    out += fmt::format(" {} at {} crc {:08x}\n", tensor.data.size(),
                       tensor.data.data() - file.mapping()->bytes().data(), crc.value());
  }
  return out;
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, AgreesWithThePythonPackage) {
  const auto path = pellucid::test::find_model(GetParam());
  if (!path) GTEST_SKIP() << "the model is not in the cache";
  const auto parsed = File::open(*path);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  std::ifstream in(std::string(PELLUCID_TEST_DATA) + "/gguf/golden/" + GetParam() + ".txt");
  std::ostringstream expected;
  expected << in.rdbuf();
  ASSERT_FALSE(expected.str().empty());
  EXPECT_EQ(dump(parsed.value()), expected.str());
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::Values(pellucid::test::kSmolLM2, pellucid::test::kGemma3),
                         [](const auto& tested) {
                           return std::string(tested.param).substr(0, 5) == "SmolL" ? "SmolLM2" : "Gemma3";
                         });

}  // namespace
}  // namespace pellucid::gguf
