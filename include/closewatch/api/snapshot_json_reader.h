// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string_view>

#include "closewatch/base/clock.h"
#include "closewatch/base/result.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {

/// What snapshot_json() wrote, for whoever shows an agent's snapshot in another process of the same
/// machine. What the document does not tell is as in a new Snapshot; a pod's list of sockets is
/// empty. `clock` places the scan in this process's time. Anything that is not that document is an
/// error.
Result<Snapshot> read_snapshot_json(std::string_view text, const Clock& clock);

/// What listing_json() wrote. Of a socket it tells all but the cookie.
Result<SocketListing> read_listing_json(std::string_view text);

}  // namespace closewatch
