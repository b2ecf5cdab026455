// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"
#include "closewatch/node/known_processes.h"
#include "closewatch/node/network_namespace.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// A network namespace that a pod stands in.
struct PodNamespace {
  NamespaceId id;
  UniqueFd fd;          ///< open when it is the only one of `own`
  LocatedNamespace at;  ///< by which it is opened otherwise
};

struct PodNamespaces {
  /// Each once, never the host's. The first is the pod's home unless `host_network`: where its
  /// oldest process stands. In the others it may be a visitor (nsenter(1)), or have made them.
  std::vector<PodNamespace> own;
  /// It is at home in the host's namespace. It may have others beside, in `own`.
  bool host_network = false;
  bool sandboxed = false;  ///< gVisor or Kata: `own` does not show the pod's sockets
  std::vector<ContainerCgroup>
      cgroups;  ///< of all containers, those of directories below theirs too
  /// Each container that has processes has some in one of `cgroups`, which their sockets carry
  /// then.
  bool cgroups_known = true;
};

/// How many namespaces of a pod are read where each costs a walk of its own, and where one walk is
/// for all.
inline constexpr std::size_t kFewNamespaces = 32;
inline constexpr std::size_t kManyNamespaces = 1024;

/// Goes from a pod to its network namespaces by way of living processes, without ever taking a
/// process for another one that got its number. Copies know the same processes. Thread-safe.
class NamespaceOpener {
 public:
  /// `proc` is the host's /proc, `most` how many namespaces a pod may have.
  explicit NamespaceOpener(std::string proc, NamespaceAccess access = NamespaceAccess::kNamespace,
                           std::size_t most = kFewNamespaces);
  /// How many namespaces a pod may have from now on.
  void take_at_most(std::size_t most) { most_ = most; }
  /// Processes that are not asked for from now on until the next scan are known no more.
  void begin_scan() { known_->forget_others(); }

  /// Errors: kGone when no living process is left, kDenied without CAP_SYS_PTRACE or outside the
  /// host's PID namespace, kOverLimit when there is more than is looked at (see MembersLeft). One
  /// denied container makes the pod denied: its namespace might be another. By kText kGone, too,
  /// for a file that a namespace is mounted on. O(processes of the pod).
  [[nodiscard]] Result<PodNamespaces> open(const Pod& pod,
                                           const std::optional<NamespaceId>& node) const;
  /// What stood there a moment ago, kGone if it does no more.
  [[nodiscard]] Result<OpenNamespace> open(const LocatedNamespace& located) const;
  [[nodiscard]] Result<OpenNamespace> open(const NamespaceLocator& locator) const;

  /// The process by which a namespace was found, if it stands there still; `located` is where a
  /// process is. One that was found by open() is known to have been the pod's then. Errors: kGone.
  [[nodiscard]] Result<std::shared_ptr<const Process>> process_in(
      const LocatedNamespace& located) const;
  /// kGone unless `process` stands in that namespace.
  [[nodiscard]] Result<void> check_stands(const Process& process,
                                          const LocatedNamespace& located) const;

  /// The inode number by which the kernel itself knows the namespace, however it is got at; nullopt
  /// where that cannot be looked at.
  [[nodiscard]] std::optional<ino_t> inode_of(const PodNamespace& space) const;

  /// Which of `pods` has had the namespace from its beginning: that of the oldest process of all
  /// that stand in it, by its place in `pods`. nullopt where that is of no pod, as in a node that
  /// is itself a container (kind, k3d), or where two are of one age. O(processes of the machine),
  /// so it is asked only where several pods are at home in one namespace.
  [[nodiscard]] Result<std::optional<std::size_t>> founder_of(
      const NamespaceId& space, const std::vector<const Pod*>& pods) const;

 private:
  std::string proc_;
  NamespaceAccess access_;
  std::size_t most_;
  std::shared_ptr<KnownProcesses> known_;
};

}  // namespace closewatch
