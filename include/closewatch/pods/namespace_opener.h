#pragma once

#include <optional>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/node/network_namespace.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

struct PodNamespaces {
  std::vector<OpenNamespace> own;  ///< each once, never the host's
  /// It lives in the host's namespace: its oldest process does. It may have others beside, in
  /// `own`.
  bool host_network = false;
  bool sandboxed = false;  ///< gVisor or Kata: `own` does not show the pod's sockets
  std::vector<ContainerCgroup>
      cgroups;  ///< of all containers, those of directories below theirs too
  /// Each container that has processes has some in one of `cgroups`, which their sockets carry
  /// then.
  bool cgroups_known = true;
};

/// Goes from a pod to its network namespaces by way of living processes, without ever taking a
/// process for another one that got its number. Belongs to one thread.
class NamespaceOpener {
 public:
  /// `proc` is the host's /proc.
  explicit NamespaceOpener(std::string proc, NamespaceAccess access = NamespaceAccess::kNamespace)
      : proc_(std::move(proc)), access_(access) {}

  /// Errors: kGone when no living process is left, kDenied without CAP_SYS_PTRACE or outside the
  /// host's PID namespace. One denied container makes the pod denied: its namespace might be
  /// another. By kText kGone, too, for a file that a namespace is mounted on.
  [[nodiscard]] Result<PodNamespaces> open(const Pod& pod,
                                           const std::optional<NamespaceId>& node) const;
  [[nodiscard]] Result<OpenNamespace> open(const NamespaceLocator& locator) const;

 private:
  std::string proc_;
  NamespaceAccess access_;
};

}  // namespace closewatch
