// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "closewatch/base/clock.h"
#include "closewatch/base/result.h"
#include "closewatch/http/listen_address.h"
#include "closewatch/pods/socket_owners.h"
#include "closewatch/scan/scanner.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {

/// Where `closewatch top` gets its snapshots. Belongs to one thread.
class SnapshotFeed {
 public:
  SnapshotFeed() = default;
  SnapshotFeed(const SnapshotFeed&) = delete;
  SnapshotFeed& operator=(const SnapshotFeed&) = delete;
  virtual ~SnapshotFeed() = default;

  /// The last snapshot, nullptr before the first one. Cheap to call often: it looks for a newer one
  /// no sooner than there can be one.
  virtual Result<std::shared_ptr<const Snapshot>> latest() = 0;
  /// A pod's sockets in CLOSE_WAIT, as of the last snapshot.
  virtual Result<SocketListing> sockets(const std::string& pod_namespace,
                                        const std::string& name) = 0;
  /// In a few words, for people.
  [[nodiscard]] virtual std::string source() const = 0;
};

/// The agent of this machine, where one answers at an address that it is configured to listen on:
/// looking at its snapshots costs no scan. nullptr when none does. `clock` must outlive the feed.
std::unique_ptr<SnapshotFeed> find_agent(const std::vector<http::ListenAddress>& addresses,
                                         const Clock& clock);

/// Scans of its own, in a thread of its own, under the same budget as the agent's. `clock` must
/// outlive the feed.
std::unique_ptr<SnapshotFeed> scan_here(std::unique_ptr<Scanner> scanner, SocketOwners owners,
                                        const Clock& clock);

}  // namespace closewatch
