// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "closewatch/base/clock.h"
#include "closewatch/base/hang_guard.h"
#include "closewatch/base/result.h"
#include "closewatch/diagnosis/close_wait_history.h"
#include "closewatch/diagnosis/diagnosis.h"
#include "closewatch/diagnosis/host_tally.h"
#include "closewatch/diagnosis/socket_tally.h"
#include "closewatch/engines/contradiction.h"
#include "closewatch/engines/engine_policy.h"
#include "closewatch/engines/engine_witness.h"
#include "closewatch/kernel/socket_source.h"
#include "closewatch/kernel/tcp_traffic.h"
#include "closewatch/pods/namespace_opener.h"
#include "closewatch/pods/pod.h"
#include "closewatch/pods/socket_owners.h"
#include "closewatch/scan/descriptor_watch.h"
#include "closewatch/scan/event_watch.h"
#include "closewatch/scan/foreign_owners.h"
#include "closewatch/scan/held_watch.h"
#include "closewatch/scan/namespace_filter.h"
#include "closewatch/scan/pacer.h"
#include "closewatch/scan/pod_histories.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// Makes a source. Errors: kUnsupported, kDenied, kSystem, and a sentence that names the remedy.
using SourceMaker = std::function<Result<std::unique_ptr<SocketSource>>(Engine)>;

/// How a scanner works.
struct ScanSettings {
  Pacer pacer;
  DiagnosisSettings diagnosis;
  /// Whether /proc/PID/fd may be asked for the container where the kernel names no cgroup.
  bool ask_descriptors = true;
  Engine engine = Engine::kInetDiag;  ///< that reads the sockets at first
  std::vector<EngineStatus> engines{};
  /// Whether that may change; nullopt: it stays. Where bpf reads by it, inet_diag is its witness.
  std::optional<EnginePolicy> engine_policy = std::nullopt;
  NamespaceFilter namespaces{};
  /// How long a pod may hold up the scan before it is set aside; zero: for as long as it likes.
  std::chrono::nanoseconds patience{};
  /// What the scanner may cost, in CPU seconds per second; readings with a pace of their own may
  /// take three quarters of it together.
  double cpu_budget = 1;
  /// Counts descriptors; nullopt: nobody does.
  std::optional<DescriptorReader> descriptors = std::nullopt;
  /// Finds sockets whose connections are over; nullptr: nobody does.
  std::shared_ptr<HeldSocketSource> held_sockets = nullptr;
  /// What is read of the kernel's counters; nothing of none.
  TcpEventSet tcp_events{};
  /// Takes the place of a source that a pod has held up, or of another engine's.
  SourceMaker make_source = [](Engine) {
    return fail(ErrorKind::kSystem, "no other source of sockets is known");
  };
};

/// Reads all pods once and makes a snapshot of it. Belongs to one thread. Only it and the threads
/// of its HangGuard, one at a time, enter namespaces. O(pods × what SocketSource::read costs).
class Scanner {
 public:
  Scanner(std::unique_ptr<PodSource> pods, NamespaceOpener opener, SocketOwners owners,
          std::unique_ptr<SocketSource> sockets, ScanSettings settings, const Clock& clock);

  /// One scan. `go_on` is asked before each namespace; when it says no the scan is dropped and the
  /// result is nullptr. Whatever fails is in the snapshot: as a pod's visibility, as a counted
  /// error. When not even the pods can be listed, those of the last scan are there, none of them
  /// visible.
  std::shared_ptr<const Snapshot> scan(const std::function<bool()>& go_on);
  /// Those that the last scan has read of a pod, by its place in the snapshot; its home first. None
  /// of a pod on the host's network but those that it has beside.
  [[nodiscard]] std::span<const ReadNamespace> namespaces_of(std::size_t place) const {
    return read_spaces_.at(place);
  }

 private:
  /// The host's own namespace.
  struct Node {
    Result<NamespaceLocator> at;
    std::optional<OpenNamespace> space;
    std::optional<Error> error;  ///< why nobody can tell which it is
  };
  /// What reads sockets. Shared with the thread that reads, so that both can be left behind.
  struct Reader {
    Engine engine = Engine::kInetDiag;
    std::unique_ptr<SocketSource> sockets;
    SocketTally tally;
    HostTally host_tally;
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

  /// A pod that stands in several namespaces, which are read once it is known whose they are.
  struct SpreadPod {
    std::size_t place = 0;
    PodNamespaces namespaces;
  };
  /// That a pod stands in a namespace; `visits`: its home is another.
  struct Claim {
    NamespaceId space;
    bool visits = false;
    std::size_t place = 0;

    auto operator<=>(const Claim&) const =
        default;  // NOLINT(modernize-use-nullptr, readability-implicit-bool-conversion): neither is
                  // here
  };
  /// The check of this scan: one namespace, which inet_diag reads before and after.
  struct Check {
    std::string uid;  ///< the pod's; "": the node's
    NamespaceLocator where;
    NamespaceId id;
    TcpTraffic traffic;  ///< before
    CrossCheck readings;
    bool done = false;  ///< the engine that is checked has read it
  };
  /// What inet_diag says of one namespace.
  struct Testimony {
    NamespaceId id;
    TcpTraffic traffic;
    NamespaceRecord record;
  };
  class Finding;
  class Reading;
  class Testifying;
  class CpuMeter;

  std::shared_ptr<Snapshot> scan_once(const std::function<bool()>& go_on);
  void begin_check(const Node& node, const std::shared_ptr<Snapshot>& snapshot);
  std::optional<NamespaceLocator> locate(std::string_view uid, const Node& node,
                                         const std::shared_ptr<Snapshot>& snapshot);
  void end_check();
  [[nodiscard]] std::string whose(std::string_view uid) const;
  [[nodiscard]] std::chrono::nanoseconds cpu() const;
  Result<Testimony> testify(const NamespaceLocator& where);
  Result<SocketReading> read_checked(const NamespaceId& id, Result<OpenNamespace> space,
                                     RowSink& sink, std::string_view whom);
  std::shared_ptr<Snapshot> take_bpfs_word_back(const std::function<bool()>& go_on);
  void choose_engine(std::chrono::nanoseconds cpu, std::chrono::steady_clock::time_point now);
  [[nodiscard]] std::string_view reason_to_leave(Engine engine) const;
  [[nodiscard]] CloseWaitHistory::Trust trust() const;
  Result<PodList> list_pods();
  void read_all(PodList list, const std::shared_ptr<Snapshot>& snapshot);
  Node open_node(const PodList& list, Snapshot& snapshot);
  void read_pods(const Node& node, const std::shared_ptr<Snapshot>& snapshot);
  std::vector<Result<PodNamespaces>> find_namespaces(std::size_t begin, std::size_t end,
                                                     const Node& node,
                                                     const std::shared_ptr<Snapshot>& snapshot);
  void read_pod(std::size_t place, Result<PodNamespaces> namespaces, const Node& node,
                Snapshot& snapshot);
  void read_namespaces(std::size_t place, PodNamespaces namespaces, Snapshot& snapshot);
  void read_spread_pods(Snapshot& snapshot);
  Result<void> read_sockets(PodNamespaces& namespaces, PodSnapshot& pod, Snapshot& snapshot);
  Result<void> read_own(PodNamespaces& namespaces, PodSnapshot& pod, Snapshot& snapshot);
  Result<void> read_beside_host(PodNamespaces namespaces, std::size_t place, Snapshot& snapshot);
  Result<SocketReading> read_namespace(std::shared_ptr<Reader>& reader, Result<OpenNamespace> space,
                                       RowSink& sink, std::string_view whom);
  Result<std::shared_ptr<Reader>> make_reader(Engine engine) const;
  void begin_change(Snapshot& snapshot);
  void end_change(const Snapshot& snapshot);
  EngineStatus& status_of(Engine engine);
  void rename_sockets(const PodNamespace& space, const NamespaceIdentity& identity,
                      std::chrono::steady_clock::time_point now, const PodNamespaces& namespaces,
                      const PodSnapshot& pod);
  void rename_host_sockets(const Result<NamespaceLocator>& at, const NamespaceIdentity& identity,
                           const std::vector<std::vector<ContainerCgroup>>& cgroups,
                           const Snapshot& snapshot);
  void read_node(Node node, Snapshot& snapshot);
  void share_out(HostPod& shared, PodSnapshot& pod, const NamespaceIdentity& host,
                 SocketTally& tally);
  NamespaceIdentity learn(const SocketReading& reading, const NamespaceId& id,
                          const SocketTally& tally);
  Result<void> find_containers(const PodSnapshot& pod, bool cgroups_known, Snapshot& snapshot);
  void find_foreign(const PodSnapshot& pod, Snapshot& snapshot);
  Diagnosis diagnosis_of(const Pod& pod, SocketTally& tally) const;
  void diagnose_pod(PodSnapshot& pod, const CloseWaitHistory& history, SocketTally& tally) const;
  [[nodiscard]] bool leaves_out(const Pod& pod) const;
  void leave_out(Snapshot& snapshot) const;
  void settle_claims(Snapshot& snapshot);
  void settle(std::span<Claim> claims, Snapshot& snapshot);
  void take_away(const Claim& claim, std::optional<std::size_t> owner, Snapshot& snapshot);
  void hide_node(Snapshot& snapshot);
  void record_trends(Snapshot& snapshot);
  void read_beside(const std::shared_ptr<Snapshot>& snapshot);
  void read_descriptors(const std::shared_ptr<Snapshot>& snapshot);
  void read_held(Snapshot& snapshot);
  void read_events(const std::shared_ptr<Snapshot>& snapshot);
  [[nodiscard]] ForeignOwners::Run guarded_look(Snapshot& snapshot);
  [[nodiscard]] std::chrono::nanoseconds next_interval(std::chrono::nanoseconds scan_cpu);
  std::vector<PodSnapshot> last_pods_unseen(const Error& error) const;
  void mark_unseen(PodSnapshot& pod, ScanStage stage, const Error& error);
  void count(ScanStage stage) { ++errors_.at(static_cast<std::size_t>(stage)); }
  void complain(Snapshot& snapshot, ScanStage stage, const Error& error);

  std::shared_ptr<PodSource> pods_;
  NamespaceOpener opener_;
  SocketOwners owners_;
  std::shared_ptr<Reader> reader_;
  /// Of the engine that reads from the next scan on; reads this one, too.
  std::shared_ptr<Reader> next_reader_;
  Engine wanted_engine_ = Engine::kInetDiag;
  /// Beside bpf, where it may be another.
  std::optional<EngineWitness> witness_;
  std::shared_ptr<SocketSource> testifying_;  ///< by inet_diag
  ScanSettings settings_;
  const Clock& clock_;
  HangGuard guard_;
  ForeignOwners foreign_owners_;
  Features features_;
  PodHistories histories_;
  std::optional<DescriptorWatch> descriptor_watch_;
  std::optional<HeldWatch> held_watch_;
  std::optional<EventWatch> event_watch_;
  // What follows is of one scan.
  std::optional<Check> check_;
  std::chrono::nanoseconds check_cpu_{};
  std::size_t namespaces_read_ = 0;
  std::function<bool()> go_on_;
  std::vector<Claim> claims_;
  std::vector<HostPod> host_pods_;
  std::vector<SpreadPod> spread_pods_;
  std::vector<std::vector<ReadNamespace>> read_spaces_;  ///< by the place of their pod
  std::map<NamespaceId, ino_t> inodes_;                  ///< of namespaces, by what they go by here
  bool outside_ = false;  ///< it has met processes outside our PID namespace
  // Since the start.
  std::array<std::uint64_t, kScanStageCount> errors_{};
  std::chrono::nanoseconds cpu_total_{};
  std::shared_ptr<const Snapshot> last_;
};

}  // namespace closewatch
