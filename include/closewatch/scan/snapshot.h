// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/diagnosis/descriptor_history.h"
#include "closewatch/diagnosis/diagnosis.h"
#include "closewatch/diagnosis/held_history.h"
#include "closewatch/diagnosis/host_tally.h"
#include "closewatch/diagnosis/owner.h"
#include "closewatch/diagnosis/socket_tally.h"
#include "closewatch/diagnosis/trend.h"
#include "closewatch/engines/engine_status.h"
#include "closewatch/engines/engine_witness.h"
#include "closewatch/events/tcp_event.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// Whether a pod's sockets were counted, and why not.
enum class Visibility : std::uint8_t {
  kVisible,
  kSandboxed,    ///< gVisor or Kata: its network stack is not the host kernel's
  kNoProcess,    ///< no living process: being created, or gone in mid-scan
  kDenied,       ///< a privilege is missing
  kIncomplete,   ///< the kernel's answer was not whole
  kHostNetwork,  ///< it shares the host's namespace, whose sockets are not its own
  kOverLimit,    ///< it has more of something than is looked at
  kHung,         ///< what is read of it does not return
  kExcluded,     ///< nobody wants it counted: pods.namespaces
  kStale,        ///< counted too long ago to be shown
};

/// The `reason` label: "" for kVisible.
std::string_view reason_of(Visibility visibility);

/// Where in a scan an error happened: the `stage` label.
enum class ScanStage : std::uint8_t {
  kDiscovery,  ///< finding pods
  kMetadata,   ///< naming them
  kNamespace,  ///< getting to a pod's network namespace
  kSockets,    ///< entering it and reading its sockets
  kDecode,     ///< understanding the kernel's answer
};
inline constexpr std::size_t kScanStageCount = 5;
inline constexpr std::array<ScanStage, kScanStageCount> kScanStages = {
    ScanStage::kDiscovery, ScanStage::kMetadata, ScanStage::kNamespace, ScanStage::kSockets,
    ScanStage::kDecode};
std::string_view name_of(ScanStage stage);

/// One pod at one moment. `sums`, `diagnosis`, `descriptors`, `held` and `tcp_events` have a
/// meaning only while `visibility` is kVisible.
struct PodSnapshot : Pod {
  bool host_network = false;
  Visibility visibility = Visibility::kNoProcess;
  std::string detail;  ///< why it is not visible, as a sentence for the log
  SocketSums sums;
  Diagnosis diagnosis;
  Trend trend;  ///< this scan included
  /// By container, as far as they are known: of the last reading, which may be older than the scan.
  std::vector<ContainerDescriptors> descriptors;
  /// Its sockets whose connections are over while a process holds them, of the last reading;
  /// nullptr when there was none: nobody knows.
  std::shared_ptr<const HeldDiagnosis> held;
  std::chrono::nanoseconds held_ago{};  ///< how long before the end of the scan that reading was
  /// What the kernel has counted in its namespaces, of the last reading; nullopt: nobody knows.
  std::optional<TcpEventCounts> tcp_events;

  /// Such sockets; 0 when nobody knows.
  [[nodiscard]] std::uint64_t held_sockets() const { return held == nullptr ? 0 : held->total(); }

  /// For how long the oldest of them has been held, at least.
  [[nodiscard]] std::chrono::nanoseconds held_for() const {
    return held_sockets() == 0 ? std::chrono::nanoseconds() : held->oldest + held_ago;
  }
  /// Sockets that the application has still to close: in CLOSE_WAIT, or held after that.
  [[nodiscard]] std::uint64_t unclosed() const {
    return sums.states.of(TcpState::kCloseWait) + held_sockets();
  }

  /// Whose those of them are that other pods' containers have made.
  [[nodiscard]] std::vector<OwnerSums> owners() const;

  /// Whether its sockets in this state were counted. In the host's namespace nobody can tell whose
  /// those are that the kernel keeps without a cgroup; they are the node's.
  [[nodiscard]] bool knows(TcpState state) const {
    return visibility == Visibility::kVisible && !(host_network && may_lack_cgroup(state));
  }
  /// Makes it one whose sockets were not counted.
  void hide(Visibility why, std::string sentence);
};

/// What the agent has learnt of the kernel that it runs on: nullopt until a socket has shown it.
struct Features {
  std::optional<bool> cgroup_id;     ///< sockets carry the cgroup that made them
  std::optional<bool> tcp_info;      ///< and how long ago the last ACK came in
  std::optional<bool> netns_cookie;  ///< namespaces have a name that is never reused
  std::optional<bool> metadata_api;  ///< the API server tells of pods; nullopt: it is not asked
  bool socket_inode = false;         ///< this scan found containers through /proc/PID/fd instead
  std::optional<bool> held_sockets = std::nullopt;  ///< sockets without a connection are looked for
};

/// What one scan saw. Immutable once published; everything that is shown comes out of one.
struct Snapshot {
  std::chrono::system_clock::time_point taken_at;         ///< when the scan ended
  std::chrono::steady_clock::time_point taken_at_steady;  ///< likewise, for its age
  std::chrono::nanoseconds duration{};                    ///< how long the scan took
  std::chrono::nanoseconds cpu{};                         ///< what it cost the scanner's thread
  std::chrono::nanoseconds cpu_total{};                   ///< what all scans have cost
  std::chrono::nanoseconds interval{};                    ///< until the next scan
  bool over_budget = false;  ///< scans cost more than the budget, as the interval is the longest
  std::optional<StateCounts> node;                      ///< the host's namespace; nullopt: unseen
  std::vector<PodSnapshot> pods;                        ///< by namespace, name, uid
  std::array<std::uint64_t, kScanStageCount> errors{};  ///< since the start
  std::size_t hung_reads = 0;                           ///< that have not returned yet
  std::vector<std::string> complaints;                  ///< this scan's errors that are no pod's
  Features features;
  std::vector<EngineStatus> engines;  ///< all there are
  /// What inet_diag has said of bpf since the start; nullopt: it is not asked.
  std::optional<EngineChecks> checks;
  DiagnosisSettings settings;  ///< that the diagnoses were made with

  /// Whether it is too old at `now` to be shown as the truth: three intervals.
  [[nodiscard]] bool stale_at(std::chrono::steady_clock::time_point now) const {
    return now - taken_at_steady > 3 * interval;
  }
};

/// The last snapshot. Thread-safe.
class SnapshotStore {
 public:
  void publish(std::shared_ptr<const Snapshot> snapshot);
  /// nullptr before the first scan.
  [[nodiscard]] std::shared_ptr<const Snapshot> last() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace closewatch
