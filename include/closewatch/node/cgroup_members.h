// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/node/open_cgroup.h"

namespace closewatch {

/// Called for each directory: with its cgroup id, which is its inode number in cgroup v2
/// (cgroup_id() of include/linux/cgroup.h), and its processes, the lowest number first. A process
/// outside our PID namespace has the number 0. Valid during the call only.
using MembersVisitor =
    std::function<void(std::uint64_t cgroup_id, const std::vector<pid_t>& processes)>;

/// How many more of what its processes make a pod may have before it is given up: what they cost is
/// the pod's decision, and the time that they take is everybody's.
struct MembersLeft {
  std::size_t directories = 4096;
  std::size_t processes = 16'384;
};

/// Visits a container's cgroup directory and all below it, as containers may have cgroups of their
/// own, and takes what it visits off `left`. Returns what could not be looked at, kOverLimit where
/// nothing was left or directories are nested more than 32 deep; a threaded directory has no
/// processes of its own (they are listed above it).
std::vector<Error> visit_members(const std::string& directory, MembersLeft& left,
                                 const MembersVisitor& visitor);
/// Likewise of a directory that is open already; `path` is for errors.
std::vector<Error> visit_members(const OpenCgroup& directory, const std::string& path,
                                 MembersLeft& left, const MembersVisitor& visitor);
/// Likewise, but does not ask for processes: all directories seem to have none.
std::vector<Error> visit_cgroups(const std::string& directory, MembersLeft& left,
                                 const MembersVisitor& visitor);

}  // namespace closewatch
