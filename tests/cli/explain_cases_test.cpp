// Runs the commands of tests/cases/explain/*.txt and compares what they print, byte by byte; see the README
// there.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace pellucid::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrompt = "$ pellucid ";

std::vector<fs::path> cases() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(PELLUCID_TEST_DATA "/cases/explain")) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// What the command prints on both streams, then its exit status where that isn't 0.
std::string output_of(const std::string& arguments) {
  const std::string command = "'" PELLUCID_BINARY "' " + arguments + " 2>&1 </dev/null";
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return "cannot run " + command;
  std::string text;
  for (int c; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  const int status = ::pclose(pipe);
  if (!WIFEXITED(status)) return text + "[ended by a signal]\n";
  return WEXITSTATUS(status) == 0 ? text : text + "[exit " + std::to_string(WEXITSTATUS(status)) + "]\n";
}

TEST(ExplainCases, PrintWhatTheirFilesSay) {
  ::unsetenv("NO_COLOR");
  ::unsetenv("COLUMNS");
  const std::vector<fs::path> paths = cases();
  ASSERT_GE(paths.size(), 10U);
  for (const fs::path& path : paths) {
    const std::string text = read(path);
    const size_t end = text.find('\n');
    ASSERT_EQ(text.compare(0, kPrompt.size(), kPrompt), 0) << path;
    ASSERT_NE(end, std::string::npos) << path;
    const std::string printed = output_of(text.substr(kPrompt.size(), end - kPrompt.size()));
    EXPECT_EQ(printed, text.substr(end + 1)) << path;
  }
}

}  // namespace
}  // namespace pellucid::cli
