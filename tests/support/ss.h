// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "closewatch/diagnosis/socket_tally.h"

namespace closewatch::testing {

/// What iproute2's `ss -N NAME -tan` lists in a named network namespace, in the host's without a
/// name: state, queues and the local port of each socket.
std::vector<SocketRow> ss_rows(const std::string& network_namespace);

/// What that comes to: states and accept queues, as far as the engine under test can tell.
SocketSums ss_counts(const std::string& network_namespace);

}  // namespace closewatch::testing
