#pragma once

#include <string>

#include "closewatch/scan/pod_filter.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// A snapshot as a table for a terminal: the pods with most CLOSE_WAIT first, then the node, whose
/// name is in brackets. States in which nobody has a socket are left out, but for ESTABLISHED and
/// CLOSE_WAIT. A pod that was not counted has "-" for numbers and says why. Pure.
std::string snapshot_table(const Snapshot& snapshot, const PodFilter& filter);

}  // namespace closewatch
