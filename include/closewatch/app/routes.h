#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "closewatch/base/clock.h"
#include "closewatch/http/message.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {

/// What the HTTP routes answer from. All of it must outlive the handler.
struct RouteSources {
  const SnapshotStore& snapshots;
  const Clock& clock;
  std::string node;  ///< this machine's name
  std::string telemetry_path;
  std::chrono::system_clock::time_point started_at;
  std::function<bool()> alive;  ///< whether the scan loop lives
  bool socket_detail;           ///< whether single sockets are listed
  OwnersOf owners_of;           ///< asked for the sockets that are listed
};

/// Answers every route: metrics, /healthz, /readyz, the API and the live page. Nothing here scans:
/// a scrape only writes down the last snapshot. A list of sockets looks up their processes as well,
/// which is O(descriptors of the pod).
http::Handler make_routes(RouteSources sources);

}  // namespace closewatch
