// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "closewatch/pods/pod.h"

namespace closewatch {

/// The cgroup v2 directories of all containers of a pod and those below them, whether there are
/// processes in them or not, as far as MembersLeft goes. What cannot be looked at is missing: that
/// is told where the pod's processes are looked for.
std::vector<ContainerCgroup> container_cgroups(const Pod& pod);

}  // namespace closewatch
