#include "base/processors.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace pellucid {
namespace {

namespace fs = std::filesystem;

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

int allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return CPU_COUNT(&set);
}

double processors(double quota, double period) { return quota > 0 && period > 0 ? quota / period : kNoLimit; }

/// Version 2: "quota period", or "max period".
double limit_2(const fs::path& group) {
  double quota = 0;
  double period = 0;
  std::ifstream(group / "cpu.max") >> quota >> period;
  return processors(quota, period);
}

/// Version 1: a file of each; a quota of -1 is none.
double limit_1(const fs::path& group) {
  double quota = 0;
  double period = 0;
  std::ifstream(group / "cpu.cfs_quota_us") >> quota;
  std::ifstream(group / "cpu.cfs_period_us") >> period;
  return processors(quota, period);
}

/// The smallest limit of a group below `top` and of those that it lies in. A container may see its own group
/// as the top one, under which the path that it is told leads nowhere.
double smallest_limit(const fs::path& top, const fs::path& group, double (*limit)(const fs::path&)) {
  double smallest = limit(top);
  fs::path at = top;
  for (const fs::path& part : group.relative_path()) {
    at /= part;
    smallest = std::min(smallest, limit(at));
  }
  return smallest;
}

bool has_cpu(const std::string& controllers) {
  return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

}  // namespace

int available_processors(const fs::path& root) {
  double least = allowed_processors();
  const fs::path mounts = root / "sys/fs/cgroup";
  std::ifstream groups(root / "proc/self/cgroup");
  std::string id;
  std::string controllers;
  std::string group;  // a line is id:controllers:group
  while (std::getline(groups, id, ':') && std::getline(groups, controllers, ':') &&
         std::getline(groups, group)) {
    if (controllers.empty()) {
      least = std::min({least, smallest_limit(mounts, group, limit_2),
                        smallest_limit(mounts / "unified", group, limit_2)});
    } else if (has_cpu(controllers)) {
      least = std::min({least, smallest_limit(mounts / controllers, group, limit_1),
                        smallest_limit(mounts / "cpu", group, limit_1)});
    }
  }
  return std::max(1, static_cast<int>(least));
}

}  // namespace pellucid
