// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "closewatch/base/clock.h"
#include "closewatch/base/result.h"
#include "closewatch/held/held_sockets.h"
#include "closewatch/scan/foreign_owners.h"
#include "closewatch/scan/pod_histories.h"
#include "closewatch/scan/reading_pace.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// Looks at a pace of its own for sockets whose connections are over while a process holds their
/// descriptors, and finds whose they are: the pod's in whose network namespace they are, or on the
/// host's network the pod's whose cgroup made them. Belongs to one thread.
class HeldWatch {
 public:
  HeldWatch(std::shared_ptr<HeldSocketSource> source, ReadingPace pace)
      : source_(std::move(source)), pace_(pace) {}

  /// What a scan has beside.
  struct Scan {
    Snapshot& snapshot;
    PodHistories& histories;
    ForeignOwners& owners;
    const ForeignOwners::Run& run;
    const Clock& clock;
    /// Whose the network namespaces are: a place in the snapshot by inode number. Asked for in
    /// scans that are due alone.
    const std::unordered_map<ino_t, std::size_t>& homes;
  };
  /// A scan begins.
  void begin(std::chrono::steady_clock::time_point now) { due_ = pace_.is_due(now); }
  /// Whether they are looked for in it.
  [[nodiscard]] bool is_due() const { return due_; }
  /// Gives each visible pod what the last reading came to, after one when it is due. Returns an
  /// error where it fails; it is in error() as well, until the next reading.
  Result<void> update(const Scan& scan);

  [[nodiscard]] const ReadingPace& pace() const { return pace_; }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  /// A pod of the snapshot, and a container of it.
  struct Place {
    std::size_t pod = 0;
    ContainerIndex container = kNoContainer;
  };

  static std::optional<Place> place_of(const HeldSocket& socket, const Scan& scan);
  Result<void> read(const Scan& scan, std::chrono::steady_clock::time_point now);

  std::shared_ptr<HeldSocketSource> source_;
  ReadingPace pace_;
  bool due_ = false;  ///< in this scan
  std::optional<Error> error_;
};

}  // namespace closewatch
