// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "closewatch/diagnosis/close_wait_socket.h"
#include "closewatch/diagnosis/diagnosis.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// Finds the owners of sockets that no container of their pod has made, by cgroup, among all pods
/// of a scan: those too that are not visible or live in the host's namespace. What no pod's cgroup
/// has made (a process of the node's, a container that has gone) has no owner here. Belongs to one
/// thread.
class ForeignOwners {
 public:
  /// Does some work, which owns all that it uses; says whether it has been done.
  using Run = std::function<bool(std::function<void()> work)>;

  /// Another scan begins, with the pods of this snapshot; they must stay where they are until it is
  /// done.
  void begin(std::shared_ptr<const Snapshot> snapshot);

  /// Gives those sockets of a pod of the snapshot that have no container yet one of the pod's own,
  /// or kForeignContainer. The first that needs it in a scan has `run` look at the cgroups of all
  /// pods; then O(log cgroups) for a socket. Allocates nothing for one.
  void find(const Pod& pod, std::span<CloseWaitSocket> sockets, const Run& run);

  /// A container of a pod of the snapshot.
  struct Maker {
    std::size_t pod = 0;  ///< by its place
    ContainerIndex container = 0;
  };
  /// Whose cgroup it is, after the same look; nullopt when it is no pod's.
  std::optional<Maker> maker_of(std::uint64_t cgroup_id, const Run& run);

  /// Tells whose the sockets with kForeignContainer are, in sum and each of those that are listed.
  void name(std::span<const CloseWaitSocket> sockets, std::chrono::nanoseconds stuck_after,
            Diagnosis& diagnosis) const;
  void name(std::span<const ListedHeld> sockets, std::chrono::nanoseconds stuck_after,
            HeldDiagnosis& diagnosis) const;

 private:
  struct Claim {
    std::uint64_t cgroup_id = 0;
    std::size_t pod = 0;  ///< by its place
    ContainerIndex container = 0;
  };

  using Claims = std::vector<Claim>;

  static Claims claims_of(const std::vector<PodSnapshot>& pods);
  void look_at_cgroups(const Run& run);
  /// nullptr when it is no pod's.
  [[nodiscard]] const Claim* claim_of(std::uint64_t cgroup_id) const;
  [[nodiscard]] PodContainer owner_of(const Claim& claim) const;
  [[nodiscard]] std::vector<OwnerSums> sums_of(std::span<const CloseWaitSocket> sockets,
                                               std::chrono::nanoseconds stuck_after) const;
  void set_owner(CloseWaitSocket& socket, std::span<const OwnerSums> owners) const;

  std::shared_ptr<const Snapshot> snapshot_;
  Claims claims_;        ///< by id
  bool looked_ = false;  ///< in this scan
};

}  // namespace closewatch
