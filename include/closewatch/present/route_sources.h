#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "closewatch/base/clock.h"
#include "closewatch/present/agent_facts.h"
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

/// What the agent tells of itself, as of now.
AgentFacts agent_facts(const RouteSources& sources);

}  // namespace closewatch
