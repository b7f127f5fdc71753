// What a hostile input costs: time and memory of this process, and long texts.
#pragma once

#include <cstddef>
#include <ctime>
#include <fstream>
#include <string>

namespace pellucid::test {

/// Of all threads; other programs on the machine do not lengthen it.
inline double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// A line of /proc/self/status, in KiB, by its key with the colon; -1 where there is none.
inline long status_kilobytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::stol(line.substr(key.size() + 1));
  }
  return -1;
}

inline std::string repeat(const std::string& text, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += text;
  return out;
}

}  // namespace pellucid::test
