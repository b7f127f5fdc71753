// Logits written and read back, as float32 and rounded to float16.
#include "trace/logits_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "base/xxh64.h"

namespace pellucid::trace {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class LogitsFiles : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  /// The row as it is read again.
  std::vector<float> through(const std::vector<float>& logits, LogitsType type) {
    const auto n_vocab = static_cast<int>(logits.size());
    const auto place =
        LogitsWriter::create(path_, type).value().write(logits, xxh64(std::as_bytes(std::span(logits))));
    const auto file = LogitsFile::open(path_, n_vocab, type);
    EXPECT_EQ(place.value().row, 0U);
    const auto row = file.value().row(place.value());
    EXPECT_TRUE(row.ok());
    return {row.value().begin(), row.value().end()};
  }

  std::string path_ = ::testing::TempDir() + "pellucid-logits-file-test";
};

TEST_F(LogitsFiles, Float32IsTheSameBits) {
  const std::vector<float> logits{1.1F, -0.0F, -kInfinity, 1e30F, 1e-42F};
  EXPECT_EQ(through(logits, LogitsType::kFloat32), logits);
  EXPECT_EQ(std::filesystem::file_size(path_), 20U);
}

TEST_F(LogitsFiles, Float16IsTheNearestAndNothingIsRuledOutOrMadeInfinite) {
  // Halves of 1 + 2^-10 steps: half way goes to the even one.
  const std::vector<float> logits{1.0F + 0x1p-11F, 1.0F + 0x3p-11F, 17.2215F, 1e6F, -1e6F, -kInfinity, 3e-8F};
  const std::vector<float> halves{1.0F, 1.0F + 0x1p-9F, 17.21875F, 65504.0F, -65504.0F, -kInfinity, 0x1p-24F};
  EXPECT_EQ(through(logits, LogitsType::kFloat16), halves);
  EXPECT_EQ(std::filesystem::file_size(path_), 14U);
}

TEST_F(LogitsFiles, RowsAreAddedBehindTheLastWholeOne) {
  const std::vector<float> one{1, 2, 3};
  const std::vector<float> other{4, 5, 6};
  for (const LogitsType type : {LogitsType::kFloat32, LogitsType::kFloat16}) {
    std::vector<LogitsPlace> places;
    places.push_back(LogitsWriter::create(path_, type).value().write(one, xxh64(one)).value());
    const auto row_bytes = std::filesystem::file_size(path_);
    std::filesystem::resize_file(path_, row_bytes + row_bytes / 2);  // killed while it wrote
    places.push_back(LogitsWriter::append(path_, 3, type).value().write(other, xxh64(other)).value());
    const auto file = LogitsFile::open(path_, 3, type);
    const auto row = file.value().row(places[1]);
    EXPECT_EQ(std::vector(row.value().begin(), row.value().end()), other);
    EXPECT_EQ(file.value().row(places[0]).value()[2], 3);
    EXPECT_EQ(file.value().row({0, places[1].hash}).error().code, ErrorCode::kBadTrace);
    EXPECT_EQ(file.value().row({2, places[1].hash}).error().code, ErrorCode::kBadTrace);
    EXPECT_EQ(file.value().row({1ULL << 62, 0}).error().code, ErrorCode::kBadTrace);
  }
}

}  // namespace
}  // namespace pellucid::trace
