// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "closewatch/base/exit_status.h"
#include "closewatch/connections/connection_listing.h"
#include "closewatch/scan/pod_filter.h"
#include "closewatch/settings/config.h"

/// What the agent does, one function for each subcommand. Each returns the process's exit status.
namespace closewatch {

enum class OutputFormat : std::uint8_t { kTable, kJson };

/// Scans and serves until SIGTERM or SIGINT.
int serve(Config config);

/// What `closewatch scan` shall print.
struct ScanRequest {
  PodFilter filter;
  bool sockets = false;  ///< the sockets in CLOSE_WAIT of the one pod that `filter` names
  /// In place of these, those of any state of all pods that `filter` names.
  std::optional<ConnectionQuery> connections = std::nullopt;
  OutputFormat format = OutputFormat::kTable;
};

/// Scans once and prints what is asked for.
int scan(Config config, const ScanRequest& request);

/// Prints what the agent that listens on this machine answers to `path`: the way to its last
/// snapshot where there is no other program than this one, as in its container.
int get(const Config& config, const std::string& path);

/// Shows the pods live in a terminal until q or a signal: the running agent's snapshots where there
/// is an agent, else scans of its own. Without a terminal it prints the pods once.
int top(Config config);

}  // namespace closewatch
