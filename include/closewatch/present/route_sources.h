// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "closewatch/base/clock.h"
#include "closewatch/confinement/confinement.h"
#include "closewatch/node/process_stats.h"
#include "closewatch/present/agent_facts.h"
#include "closewatch/present/socket_listings.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/web/web_facts.h"

namespace closewatch {

/// What the HTTP routes answer from. All of it must outlive the handler.
struct RouteSources {
  const SnapshotStore& snapshots;
  const Clock& clock;
  std::string node;  ///< this machine's name
  std::string telemetry_path;
  std::chrono::system_clock::time_point started_at;
  std::function<bool()> alive;  ///< whether the scan loop lives
  /// Whether it may be asked by this Host.
  std::function<bool(std::string_view host)> allows_host;
  bool socket_detail;  ///< whether single sockets are listed
  /// As SocketListings::of().
  std::function<void(const std::shared_ptr<const Snapshot>& snapshot,
                     const std::string& pod_namespace, const std::string& pod,
                     SocketListings::Done done)>
      list_sockets;
  /// Who was let in, unless everybody is.
  std::function<std::optional<web::WebFacts>()> web_facts = [] {
    return std::optional<web::WebFacts>();
  };
  /// Of the agent, however many processes it is.
  std::function<ProcessStats()> process_stats = [] { return read_process_stats(); };
  /// Of the process that answers; nullopt: it has not tried to be.
  std::optional<Confinement> confinement = std::nullopt;
};

/// What the agent tells of itself, as of now.
AgentFacts agent_facts(const RouteSources& sources);

}  // namespace closewatch
