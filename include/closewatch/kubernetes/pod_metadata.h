// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace closewatch {

/// What a pod is called, beyond what its cgroup tells.
struct PodMetadata {
  std::string pod_namespace;
  std::string name;
  std::string workload_kind;  ///< "Deployment" …; empty when not known
  std::string workload;

  bool operator==(const PodMetadata&) const = default;
};

}  // namespace closewatch
