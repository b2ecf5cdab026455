// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "closewatch/scan/pod_filter.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {

/// A snapshot as a table for a terminal, the worst pod first (most stuck sockets, then most in
/// CLOSE_WAIT), the node last with its name in brackets. First what is wrong, then the states in
/// which anybody has a socket. A pod that was not counted has "-" for numbers and says why. Pure.
std::string snapshot_table(const Snapshot& snapshot, const PodFilter& filter);

/// A pod's sockets in CLOSE_WAIT as a table, the oldest first. Pure.
std::string listing_table(const SocketListing& listing);

}  // namespace closewatch
