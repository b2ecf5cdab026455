// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/connections/connection_listing.h"
#include "closewatch/scan/pod_filter.h"
#include "closewatch/scan/scanner.h"

namespace closewatch {

/// An answer to a person.
struct ConnectionAnswer {
  ConnectionListing listing;
  std::vector<std::string> remarks;  ///< what is missing and why, as sentences
  int status = 0;                    ///< the exit status
};

/// Lists what is asked for of the pods that `filter` names, in the namespaces that the scanner's
/// last scan has read, and finds the processes of single sockets. Where a namespace cannot be read
/// its pod is among those that are not listed; one that has ended meanwhile is nothing. Takes the
/// calling thread into the namespaces and home again; two dumps by inet_diag for each, whatever the
/// scanner reads by, as no other source tells of each socket. `proc` is the host's /proc. Error:
/// kSystem.
Result<ConnectionAnswer> list_connections(const Scanner& scanner, const Snapshot& snapshot,
                                          const PodFilter& filter, const ConnectionQuery& query,
                                          const std::string& proc);

}  // namespace closewatch
