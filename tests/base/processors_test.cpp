#include "base/processors.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

namespace pellucid {
namespace {

namespace fs = std::filesystem;

/// What /proc and /sys say on a machine that is described file by file.
class Machine {
 public:
  Machine() {
    static int n_made = 0;
    const std::string name =
        "pellucid_processors_" + std::to_string(getpid()) + "_" + std::to_string(n_made++);
    root_ = fs::temp_directory_path() / name;
  }
  ~Machine() { fs::remove_all(root_); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Machine& file(const fs::path& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
    return *this;
  }
  [[nodiscard]] int processors() const { return available_processors(root_); }

 private:
  fs::path root_;
};

/// Lets the test run on one processor alone while it lives.
class OneProcessor {
 public:
  OneProcessor() {
    CPU_ZERO(&before_);
    EXPECT_EQ(sched_getaffinity(0, sizeof(before_), &before_), 0);
    int first = 0;
    while (!CPU_ISSET(first, &before_)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    EXPECT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  }
  ~OneProcessor() { sched_setaffinity(0, sizeof(before_), &before_); }
  OneProcessor(const OneProcessor&) = delete;
  OneProcessor& operator=(const OneProcessor&) = delete;

 private:
  cpu_set_t before_{};
};

/// Where there is nothing to read.
int all() { return Machine().processors(); }

TEST(Processors, ThoseThatTheProcessMayRunOn) {
  EXPECT_GE(all(), 1);
  const OneProcessor one;
  EXPECT_EQ(Machine().processors(), 1);
}

TEST(Processors, AQuotaIsRoundedDownToAtLeastOne) {
  const auto with = [](const std::string& cpu_max) {
    return Machine().file("proc/self/cgroup", "0::/\n").file("sys/fs/cgroup/cpu.max", cpu_max).processors();
  };
  EXPECT_EQ(with("max 100000\n"), all());
  EXPECT_EQ(with("10000000 100000\n"), std::min(all(), 100));
  EXPECT_EQ(with("199999 100000\n"), 1);
  EXPECT_EQ(with("100000 100000\n"), 1);
  EXPECT_EQ(with("5000 100000\n"), 1);
  if (all() >= 2) {
    EXPECT_EQ(with("100000 50000\n"), 2);
    EXPECT_EQ(with("299999 100000\n"), 2);
  }
}

TEST(Processors, AnyGroupAboveMayHaveTheQuota) {
  for (const char* group : {"", "slice/", "slice/a service/"}) {
    Machine machine;
    machine.file("proc/self/cgroup", "0::/slice/a service/leaf\n");
    machine.file("sys/fs/cgroup/slice/a service/leaf/cpu.max", "max 100000\n");
    machine.file("sys/fs/cgroup/" + std::string(group) + "cpu.max", "100000 100000\n");
    EXPECT_EQ(machine.processors(), 1) << group;
  }
}

TEST(Processors, VersionOneNamesItsControllers) {
  for (const char* controllers : {"cpu", "cpu,cpuacct", "cpuacct,cpu"}) {
    for (const char* place : {"box/", ""}) {  // as the machine sees it, as a container does
      Machine machine;
      const std::string at = "sys/fs/cgroup/" + std::string(controllers) + "/" + place;
      machine.file("proc/self/cgroup", "9:cpuset:/box\n3:" + std::string(controllers) + ":/box\n0::/\n");
      machine.file(at + "cpu.cfs_period_us", "100000\n");
      EXPECT_EQ(machine.file(at + "cpu.cfs_quota_us", "-1\n").processors(), all());
      EXPECT_EQ(machine.file(at + "cpu.cfs_quota_us", "100000\n").processors(), 1);
    }
  }
}

TEST(Processors, WhatMakesNoSenseLimitsNothing) {
  for (const char* cpu_max :
       {"", "max", "nonsense 100000", "100000", "100000 0", "-100000 100000", "0 0", "nan nan"}) {
    Machine machine;
    machine.file("proc/self/cgroup", "0::/\n:\n\n::::\n7\n").file("sys/fs/cgroup/cpu.max", cpu_max);
    EXPECT_EQ(machine.processors(), all()) << cpu_max;
  }
}

}  // namespace
}  // namespace pellucid
