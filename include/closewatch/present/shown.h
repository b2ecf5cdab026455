// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string_view>

#include "closewatch/scan/namesakes.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {

/// What of a snapshot may be shown at a moment: once its scan is too long ago, none of its counts.
/// All outputs ask here. The snapshot must outlive it.
class Shown {
 public:
  Shown(const Snapshot& snapshot, std::chrono::steady_clock::time_point now)
      : snapshot_(snapshot), stale_(snapshot.stale_at(now)) {}

  [[nodiscard]] bool stale() const { return stale_; }
  [[nodiscard]] Visibility of(const PodSnapshot& pod) const;
  [[nodiscard]] Visibility of(Namesakes pods) const;
  [[nodiscard]] bool counts(const PodSnapshot& pod) const {
    return of(pod) == Visibility::kVisible;
  }
  /// Why the pod's counts are not shown.
  [[nodiscard]] std::string_view detail_of(const PodSnapshot& pod) const;
  /// The sockets of the host's namespace; nullptr when they are not shown.
  [[nodiscard]] const StateCounts* node() const;
  /// A list of the snapshot's sockets, as it may be shown.
  [[nodiscard]] SocketListing of(SocketListing listing) const;

 private:
  [[nodiscard]] Visibility of(Visibility visibility) const;

  const Snapshot& snapshot_;
  bool stale_;
};

/// The sentence for Visibility::kStale.
inline constexpr std::string_view kStaleDetail = "the last scan is too long ago";

}  // namespace closewatch
