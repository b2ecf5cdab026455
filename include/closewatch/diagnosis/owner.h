// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace closewatch {

/// A container by its names, none of which is empty.
struct PodContainer {
  std::string pod_namespace;
  std::string pod;
  std::string container;

  auto operator<=>(const PodContainer&) const = default;  // NOLINT(modernize-use-nullptr)
};

/// Whose those of a pod's CLOSE_WAIT sockets are that no container of its own has made: a process
/// of another pod stood in its network namespace (Istio ambient's ztunnel, nsenter).
struct OwnerSums {
  PodContainer owner;         ///< kOtherOwners in all three for the rest
  std::uint64_t sockets = 0;  ///< in CLOSE_WAIT
  std::uint64_t stuck = 0;    ///< of these, older than stuck_after

  bool operator==(const OwnerSums&) const = default;
};

/// The container of such sockets. The underscore keeps it from being any container's name, as those
/// are DNS labels; likewise the next.
inline constexpr const char* kOtherPod = "other_pod";
inline constexpr const char* kOtherOwners = "other_owners";
/// So many owners of a pod's sockets are named: whoever may enter its namespace may be many.
inline constexpr std::size_t kMostOwners = 8;

/// Each owner once, that of most stuck sockets (then of most sockets) first, and after kMostOwners
/// the rest together, if there is any.
std::vector<OwnerSums> merged_owners(std::vector<OwnerSums> owners);

/// "istio-system/ztunnel-x7k2p/istio-proxy"; "other_owners" for the rest.
std::string text_of(const PodContainer& owner);

}  // namespace closewatch
