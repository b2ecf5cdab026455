// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/container_cgroups.h"

#include "closewatch/node/cgroup_members.h"

namespace closewatch {

std::vector<ContainerCgroup> container_cgroups(const Pod& pod) {
  std::vector<ContainerCgroup> cgroups;
  MembersLeft left;
  for (std::size_t i = 0; i < pod.containers.size(); ++i) {
    for (const auto& directory : pod.containers[i].cgroup_directories) {
      if (!directory.unified) continue;
      visit_cgroups(directory.path, left, [&](std::uint64_t id, const auto& /*processes*/) {
        cgroups.push_back({id, static_cast<ContainerIndex>(i)});
      });
    }
  }
  return cgroups;
}

}  // namespace closewatch
