#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace pellucid {
namespace {

class File {
 public:
  explicit File(const std::string& content) : path_(::testing::TempDir() + "pellucid-mapped-file") {
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~File() { std::remove(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(MappedFile, HoldsTheBytesAlsoAfterAMoveAndARelease) {
  const std::string content(300000, 'x');
  const File file(content);
  auto opened = MappedFile::open(file.path());
  ASSERT_TRUE(opened.ok());
  const MappedFile moved = std::move(opened).value();
  moved.release(moved.bytes().subspan(5000, 200000));
  ASSERT_EQ(moved.bytes().size(), content.size());
  EXPECT_EQ(std::memcmp(moved.bytes().data(), content.data(), content.size()), 0);
}

// Kilobytes of the mapping of `path` that are resident.
long resident(const std::string& path) {
  std::ifstream maps("/proc/self/smaps");
  bool is_it = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ')) is_it = line.ends_with(path);
    if (is_it && line.starts_with("Rss:")) return std::stol(line.substr(4));
  }
  return -1;
}

TEST(MappedFile, PartsReadAndReleasedLeaveNothingBehindOfEachOther) {
  const File file(std::string(size_t{5} << 20, 'x'));
  const auto opened = MappedFile::open(file.path());
  ASSERT_TRUE(opened.ok());
  const std::span<const std::byte> bytes = opened.value().bytes();
  constexpr size_t kPart = 300000;  // not a number of pages, nor of what the system maps around a page
  for (size_t begin = 0; begin < bytes.size(); begin += kPart) {
    const auto part = bytes.subspan(begin, std::min(kPart, bytes.size() - begin));
    for (const std::byte byte : part) ASSERT_EQ(byte, std::byte{'x'});
    EXPECT_GT(resident(file.path()), 0);
    opened.value().release(part);
  }
  EXPECT_LE(resident(file.path()), 64);  // what the system maps around a page: under qemu-user some stays
}

TEST(MappedFile, SaysWhatIsWrong) {
  const auto error_of = [](const std::string& path) { return MappedFile::open(path).error(); };
  EXPECT_EQ(error_of(::testing::TempDir() + "no-such-file").code, ErrorCode::kNotFound);
  EXPECT_EQ(error_of(::testing::TempDir()).why, "it is a directory");
  EXPECT_EQ(error_of("/dev/null").why, "it is not a regular file");
  const File empty("");
  EXPECT_EQ(error_of(empty.path()).why, "the file is empty");
}

TEST(MappedFile, DoesNotWaitForAPipe) {
  const std::string path = ::testing::TempDir() + "pellucid-fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open(path).error().why, "it is not a regular file");
  std::remove(path.c_str());
}

}  // namespace
}  // namespace pellucid
