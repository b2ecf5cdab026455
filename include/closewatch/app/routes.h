#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "closewatch/base/clock.h"
#include "closewatch/http/message.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// What the HTTP routes answer from. All of it must outlive the handler.
struct RouteSources {
  const SnapshotStore& snapshots;
  const Clock& clock;
  std::string telemetry_path;
  std::chrono::system_clock::time_point started_at;
  std::function<bool()> alive;  ///< whether the scan loop lives
};

/// Answers every route: metrics, /healthz, /readyz and a landing page. Nothing here scans: a scrape
/// only writes down the last snapshot.
http::Handler make_routes(RouteSources sources);

}  // namespace closewatch
