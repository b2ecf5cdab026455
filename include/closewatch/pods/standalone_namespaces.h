// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "closewatch/node/process.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// Without Kubernetes: every network namespace of the machine but the host's, as a pod of the
/// namespace "netns". Its name is its file's in /run/netns, else the first 12 digits of its
/// container's id, else "comm-pid" of its oldest process. O(processes).
class StandaloneNamespaces final : public PodSource {
 public:
  /// `netns` is the directory that `ip netns` mounts namespaces in; it may be missing. kText leads
  /// through processes only: without CAP_SYS_PTRACE namespaces go by their oldest process, and
  /// those without a process are not seen.
  StandaloneNamespaces(std::string proc, std::string netns,
                       NamespaceAccess access = NamespaceAccess::kNamespace);

  Result<PodList> list() override;

 private:
  std::string proc_;
  std::string netns_;
  NamespaceAccess access_;
};

}  // namespace closewatch
