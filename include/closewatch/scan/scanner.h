#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "closewatch/base/clock.h"
#include "closewatch/base/result.h"
#include "closewatch/kernel/socket_source.h"
#include "closewatch/pods/namespace_opener.h"
#include "closewatch/pods/pod.h"
#include "closewatch/pods/socket_owners.h"
#include "closewatch/scan/diagnosis.h"
#include "closewatch/scan/host_tally.h"
#include "closewatch/scan/pacer.h"
#include "closewatch/scan/pod_histories.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_tally.h"

namespace closewatch {

/// How a scanner works.
struct ScanSettings {
  Pacer pacer;
  DiagnosisSettings diagnosis;
  /// Whether /proc/PID/fd may be asked for the container where the kernel names no cgroup.
  bool ask_descriptors = true;
  std::vector<EngineStatus> engines{};
};

/// Reads all pods once and makes a snapshot of it. Belongs to one thread, the only one that enters
/// namespaces. O(pods × what SocketSource::read costs).
class Scanner {
 public:
  Scanner(std::unique_ptr<PodSource> pods, NamespaceOpener opener, SocketOwners owners,
          std::unique_ptr<SocketSource> sockets, ScanSettings settings, const Clock& clock);

  /// One scan. `go_on` is asked before each namespace; when it says no the scan is dropped and the
  /// result is nullptr. Whatever fails is in the snapshot: as a pod's visibility, as a counted
  /// error. When not even the pods can be listed, those of the last scan are there, none of them
  /// visible.
  std::shared_ptr<const Snapshot> scan(const std::function<bool()>& go_on);

 private:
  /// The host's own namespace.
  struct Node {
    std::optional<OpenNamespace> space;
    std::optional<Error> error;  ///< why nobody can tell which it is
  };
  /// A pod that lives in the host's namespace, by its place in the snapshot, and how its sockets
  /// are told from the node's.
  struct HostPod {
    std::size_t place = 0;
    std::vector<ContainerCgroup> cgroups;
    /// What it has in namespaces of its own beside; nullopt: it has none.
    std::optional<SocketSums> own_sums;
    Diagnosis own_diagnosis;
  };

  void read_all(PodList list, Snapshot& snapshot, const std::function<bool()>& go_on);
  Node open_node(const PodList& list, Snapshot& snapshot);
  PodSnapshot read_pod(Pod pod, const Node& node, Snapshot& snapshot);
  Result<void> read_sockets(const PodNamespaces& namespaces, PodSnapshot& pod, Snapshot& snapshot);
  Result<void> read_own(const PodNamespaces& namespaces, PodSnapshot& pod, Snapshot& snapshot);
  Result<void> read_beside_host(PodNamespaces namespaces, PodSnapshot& pod, Snapshot& snapshot);
  void read_node(const Node& node, Snapshot& snapshot);
  void share_out(HostPod& shared, PodSnapshot& pod, const NamespaceIdentity& host,
                 SocketTally& tally);
  NamespaceIdentity learn(const SocketReading& reading, const NamespaceId& id,
                          const SocketTally& tally);
  void find_containers(const PodSnapshot& pod, bool cgroups_known, Snapshot& snapshot);
  void diagnose_pod(PodSnapshot& pod, const CloseWaitHistory& history, SocketTally& tally) const;
  void distrust_shared_namespaces(Snapshot& snapshot);
  void hide_node(Snapshot& snapshot);
  void record_trends(Snapshot& snapshot);
  std::vector<PodSnapshot> last_pods_unseen(const Error& error) const;
  void mark_unseen(PodSnapshot& pod, ScanStage stage, const Error& error);
  void count(ScanStage stage) { ++errors_.at(static_cast<std::size_t>(stage)); }
  void complain(Snapshot& snapshot, ScanStage stage, const Error& error);

  std::unique_ptr<PodSource> pods_;
  NamespaceOpener opener_;
  SocketOwners owners_;
  std::unique_ptr<SocketSource> sockets_;
  ScanSettings settings_;
  const Clock& clock_;
  SocketTally tally_;
  HostTally host_tally_;
  Features features_;
  PodHistories histories_;
  /// Of this scan: the pods by their place in the snapshot, once for each of their namespaces.
  std::vector<std::pair<NamespaceId, std::size_t>> claims_;
  std::vector<HostPod> host_pods_;  ///< of this scan
  bool outside_ = false;            ///< this scan has met processes outside our PID namespace
  std::array<std::uint64_t, kScanStageCount> errors_{};
  std::chrono::nanoseconds cpu_total_{};
  std::shared_ptr<const Snapshot> last_;
};

}  // namespace closewatch
