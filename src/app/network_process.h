// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "closewatch/base/unique_fd.h"
#include "closewatch/kubernetes/api_transport.h"
#include "closewatch/settings/config.h"

namespace closewatch {

/// What the network's process is given by the scanner's, which it was forked from.
struct NetworkParts {
  UniqueFd scanner;                ///< the socket that joins them
  std::vector<int> listeners;      ///< sockets that listen, which become its own
  std::vector<int> health;         ///< likewise, where /healthz and /readyz alone are
  std::optional<ApiAccess> names;  ///< whom it asks for pods' names; nullopt: nobody
  std::chrono::system_clock::time_point started_at;  ///< the agent
};

/// All that talks to the network: HTTP, TLS, and what asks the API server. Confines itself, then
/// serves what the scanner sends until that ends. Returns the exit status; an error is in the log.
/// There must be one thread yet.
int serve_network(const Config& config, NetworkParts parts);

}  // namespace closewatch
