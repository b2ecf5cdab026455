// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "closewatch/scan/pod_filter.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {

/// A snapshot as one JSON object, ending with a newline, as docs/schema/pods.schema.json describes
/// it. What was not counted, or too long ago at `now`, has "visible":false with "reason" and
/// "detail", and no numbers. Pure.
std::string snapshot_json(const Snapshot& snapshot, const PodFilter& filter,
                          std::chrono::steady_clock::time_point now);

/// A pod's sockets in CLOSE_WAIT as one JSON object, ending with a newline, as
/// docs/schema/sockets.schema.json describes it. Pure.
std::string listing_json(const Snapshot& snapshot, const SocketListing& listing);

}  // namespace closewatch
