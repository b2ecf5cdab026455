// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "closewatch/present/agent_facts.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {

/// What the live page tells of the agent beside its metrics.
struct PageFacts {
  AgentFacts agent;
  std::string node;            ///< this machine's name
  std::string telemetry_path;  ///< absolute
  bool alive = true;           ///< whether the scan loop makes progress
};

/// The live page: every pod, the worst first, and how node and agent are. Complete without
/// JavaScript; page.js sorts, filters and refreshes it. All its links are relative, so that it
/// works below any path. `snapshot` may be null: the first scan is not done yet. A stale snapshot
/// gives no counts. Pure; O(pods).
std::string overview_page(const Snapshot* snapshot, std::chrono::steady_clock::time_point now,
                          const PageFacts& facts);

/// One pod with all that is known of it, to be served three segments below the overview
/// (page/pods/NAMESPACE/POD). `listing` is null where single sockets are not to be listed. `pods`
/// has at least one. Pure; O(sockets that are listed).
std::string pod_page(const Snapshot& snapshot, std::chrono::steady_clock::time_point now,
                     Namesakes pods, const SocketListing* listing);

}  // namespace closewatch
