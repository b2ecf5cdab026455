// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "closewatch/present/agent_facts.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

/// What docs/tsv.md describes: the snapshot for programs without a JSON parser. All of it is pure.
namespace closewatch {

inline constexpr const char* kTsvContentType = "text/tab-separated-values; charset=utf-8";

/// A row for each pod. What was not counted, or too long ago at `now`, has no numbers but a reason.
std::string pods_tsv(const Snapshot& snapshot, std::chrono::steady_clock::time_point now);

/// A row for each of a pod's sockets in CLOSE_WAIT, the oldest first; how many there are in all, or
/// why that is not known, in a remark.
std::string sockets_tsv(const SocketListing& listing);

/// One row: how the agent is and what it costs.
std::string agent_tsv(const Snapshot& snapshot, std::chrono::steady_clock::time_point now,
                      std::chrono::system_clock::time_point wall_now, const AgentFacts& agent);

}  // namespace closewatch
