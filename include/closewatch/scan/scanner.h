#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "closewatch/base/clock.h"
#include "closewatch/base/result.h"
#include "closewatch/kernel/socket_source.h"
#include "closewatch/pods/namespace_opener.h"
#include "closewatch/pods/pod.h"
#include "closewatch/scan/pacer.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_tally.h"

namespace closewatch {

/// Reads all pods once and makes a snapshot of it. Belongs to one thread, the only one that enters
/// namespaces. O(pods × what SocketSource::read costs).
class Scanner {
 public:
  Scanner(std::unique_ptr<PodSource> pods, NamespaceOpener opener,
          std::unique_ptr<SocketSource> sockets, Pacer pacer, const Clock& clock);

  /// One scan. `go_on` is asked before each namespace; when it says no the scan is dropped and the
  /// result is nullptr. Whatever fails is in the snapshot: as a pod's visibility, as a counted
  /// error. When not even the pods can be listed, those of the last scan are there, none of them
  /// visible.
  std::shared_ptr<const Snapshot> scan(const std::function<bool()>& go_on);

 private:
  struct Node {
    std::optional<NamespaceId> id;
    std::optional<Error> error;
    std::optional<StateCounts> states;
  };

  Node read_node(const PodList& list, Snapshot& snapshot);
  PodSnapshot read_pod(const Pod& pod, const Node& node);
  void distrust_shared_namespaces(Snapshot& snapshot) const;
  void hide_node(Snapshot& snapshot);
  Result<void> read_sockets(const PodNamespaces& namespaces, SocketSums& sums);
  std::vector<PodSnapshot> last_pods_unseen(const Error& error) const;
  void mark_unseen(PodSnapshot& pod, ScanStage stage, const Error& error);
  void count(ScanStage stage) { ++errors_.at(static_cast<std::size_t>(stage)); }
  void complain(Snapshot& snapshot, ScanStage stage, const Error& error);

  std::unique_ptr<PodSource> pods_;
  NamespaceOpener opener_;
  std::unique_ptr<SocketSource> sockets_;
  Pacer pacer_;
  const Clock& clock_;
  SocketTally tally_;
  std::map<NamespaceId, std::vector<std::string>> claims_;  ///< uids of this scan's pods
  bool outside_ = false;  ///< this scan has met processes outside our PID namespace
  std::array<std::uint64_t, kScanStageCount> errors_{};
  std::chrono::nanoseconds cpu_total_{};
  std::shared_ptr<const Snapshot> last_;
};

}  // namespace closewatch
