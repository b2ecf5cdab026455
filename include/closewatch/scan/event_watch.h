// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "closewatch/base/clock.h"
#include "closewatch/base/hang_guard.h"
#include "closewatch/base/result.h"
#include "closewatch/events/tcp_event_reader.h"
#include "closewatch/scan/pod_histories.h"
#include "closewatch/scan/reading_pace.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// A namespace that a scan has read, and where it was found.
struct ReadNamespace {
  NamespaceIdentity identity;
  LocatedNamespace at;
};

/// Reads at a pace of its own what the kernel has counted of TCP in the namespaces of all pods but
/// those on the host's network, whose counters nobody can tell apart. Belongs to one thread; what
/// touches a pod is done by a guard's.
class EventWatch {
 public:
  EventWatch(TcpEventReader reader, ReadingPace pace) : reader_(std::move(reader)), pace_(pace) {}

  /// What a scan has beside.
  struct Scan {
    std::shared_ptr<Snapshot> snapshot;
    PodHistories& histories;
    HangGuard& guard;
    const std::function<bool()>& go_on;
    const Clock& clock;
    /// Those of each pod, by its place in the snapshot; its home first.
    const std::vector<std::vector<ReadNamespace>>& spaces;
  };
  /// Gives each visible pod its counts: new ones when it is time, or the pod is new. Returns how
  /// many pods could not be read now.
  std::size_t update(const Scan& scan);

  [[nodiscard]] const ReadingPace& pace() const { return pace_; }
  /// Why some pods have no counts, as a sentence for the log; nullopt when all have.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  void read(const Scan& scan, const std::vector<std::size_t>& places);
  void take(const Scan& scan, std::size_t place, const Result<std::vector<NamespaceEvents>>& found);
  void fail(const Scan& scan, std::size_t place, const Error& error);

  TcpEventReader reader_;
  ReadingPace pace_;
  std::optional<Error> error_;
  std::size_t failures_ = 0;  ///< of this update
};

}  // namespace closewatch
