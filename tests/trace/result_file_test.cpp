// A file of results is as it was until the first of them.
#include "trace/result_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace pellucid::trace {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

class ResultFiles : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }
  void TearDown() override { std::filesystem::remove(path_); }

  void put(const std::string& text) const { std::ofstream(path_) << text; }
  [[nodiscard]] std::string text() const {
    std::stringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  [[nodiscard]] bool is_there() const { return std::filesystem::exists(path_); }

  std::string path_ = ::testing::TempDir() + "pellucid-result-file-test";
};

TEST_F(ResultFiles, ANewOneIsThereFromTheFirstResultOn) {
  { const auto file = ResultFile::create(path_); }
  EXPECT_FALSE(is_there());
  {
    auto file = ResultFile::create(path_);
    ASSERT_TRUE(file.value().write(bytes("one")).ok());
    EXPECT_EQ(text(), "one");  // at once
    ASSERT_TRUE(file.value().write(bytes(" two")).ok());
  }
  EXPECT_EQ(text(), "one two");
}

TEST_F(ResultFiles, AnOldOneStaysUntilTheFirstResult) {
  put("precious");
  { const auto file = ResultFile::create(path_); }
  EXPECT_EQ(text(), "precious");
  auto file = ResultFile::create(path_);
  ASSERT_TRUE(file.value().write(bytes("new")).ok());
  EXPECT_EQ(text(), "new");
}

TEST_F(ResultFiles, AnotherIsGoneOnBehindItsEndOrWhereOneSays) {
  put("0123456789");
  {
    auto file = ResultFile::append(path_);
    EXPECT_EQ(file.value().size().value(), 10U);
    EXPECT_EQ(file.value().last().value(), std::byte{'9'});
    ASSERT_TRUE(file.value().write(bytes("ab")).ok());
  }
  EXPECT_EQ(text(), "0123456789ab");
  auto file = ResultFile::append(path_);
  ASSERT_TRUE(file.value().go_to(10).ok());
  ASSERT_TRUE(file.value().write(bytes("AB")).ok());
  EXPECT_EQ(text(), "0123456789AB");
  EXPECT_FALSE(ResultFile::append(path_ + "-not-there").ok());
}

TEST_F(ResultFiles, WhatCannotBeWrittenIsKnownAtOnceAndADeviceIsNoFile) {
  EXPECT_EQ(ResultFile::create("/nowhere/x").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ResultFile::create("/").error().code, ErrorCode::kIo);
  auto full = ResultFile::create("/dev/full");
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full.value().write(bytes("x")).error().code, ErrorCode::kIo);
  EXPECT_TRUE(ResultFile::create("/dev/null").value().write(bytes("x")).ok());
  EXPECT_TRUE(std::filesystem::exists("/dev/null"));
}

TEST_F(ResultFiles, OneAtATimeWhereOneAsks) {
  put("x");
  auto one = ResultFile::append(path_);
  auto other = ResultFile::append(path_);
  EXPECT_TRUE(one.value().lock());
  EXPECT_FALSE(other.value().lock());
}

}  // namespace
}  // namespace pellucid::trace
