#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

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
