#pragma once

#include <string>

#include "closewatch/scan/socket_tally.h"

namespace closewatch::testing {

/// What iproute2's `ss -N NAME -tan` counts in a named network namespace: states and accept queues.
SocketSums ss_counts(const std::string& network_namespace);

}  // namespace closewatch::testing
