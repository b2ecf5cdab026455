// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "closewatch/scan/pod_filter.h"
#include "closewatch/scan/snapshot.h"

/// What is said of a pod in one line, the same in every form that people read. All pure.
namespace closewatch {

/// The pods that match: most sockets that are stuck or held after their connections first, then
/// most with those in CLOSE_WAIT, then the oldest. What was not counted goes with the healthy. The
/// snapshot must outlive the result.
std::vector<const PodSnapshot*> worst_first(const Snapshot& snapshot, const PodFilter& filter);

/// "close" when all sockets owe the same, else "read:2 close:5", in the order of kOwedCalls.
std::string owes_text(const Diagnosis& diagnosis);

/// "outbound", or "inbound:2 outbound:5", likewise.
std::string direction_text(const Diagnosis& diagnosis);

/// "10.0.0.9:443 (1000)": the worst peer and its sockets in CLOSE_WAIT; empty when there is none.
std::string top_peer_text(const Diagnosis& diagnosis);

/// "app", or "app +1" when another container has such sockets too; empty when none has.
std::string container_text(const Diagnosis& diagnosis);

/// "istio-system/ztunnel-x7k2p/istio-proxy (12)": the owner of most of the sockets that other pods'
/// containers have made, with " +1" for each further one; empty when there is none.
std::string owner_text(const PodSnapshot& pod);

/// The limit of an accept queue, which holds one more; "?" where the engine cannot tell.
std::string limit_text(const ListenBacklog& queue);

/// The fullest accept queue; nullptr when no port listens.
const ListenBacklog* fullest_queue(const SocketSums& sums);

/// The accept queues of a pod as they are told where each port costs: the 32 fullest, by port, and
/// all others as one.
struct ShownQueues {
  std::vector<ListenBacklog> ports;
  std::optional<ListenBacklog> other;  ///< of port 0; nullopt: there are no more
};
ShownQueues shown_queues(std::vector<ListenBacklog> listeners);

/// That of the pod's containers which is nearest to its limit of descriptors; nullptr when nothing
/// is known.
const ContainerDescriptors* nearest_to_limit(const PodSnapshot& pod);

/// "180 of 1024", "180" without a limit.
std::string descriptors_text(const ContainerDescriptors& container);

/// "2h15m": until the limit is reached; empty where nobody can tell.
std::string time_left_text(const ContainerDescriptors& container);

}  // namespace closewatch
