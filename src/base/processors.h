// How many threads are worth having.
#pragma once

#include <filesystem>

namespace pellucid {

/// The processors that this process may run on, or what the quota of a control group pays for where that is
/// less: in a container both are fewer than the machine has. Rounded down, at least 1: threads that wait for
/// each other lose more when the system stops one of them than by being one fewer. Reads proc/self/cgroup and
/// sys/fs/cgroup under `root`, of both versions (Linux: Documentation/admin-guide/cgroup-v2.rst, "cpu.max";
/// scheduler/sched-bwc.rst); what it cannot read limits nothing.
int available_processors(const std::filesystem::path& root = "/");

}  // namespace pellucid
