#pragma once

#include <string>

#include "closewatch/scan/pod_filter.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// A snapshot as one JSON object, ending with a newline:
/// {"node":{"visible":true,"states":{…}},"pods":[{"namespace":…,"pod":…,"uid":…,"visible":true,
/// "states":{…},"listeners":[{"port":…,"backlog":…,"limit":…}]}]}. What was not counted has
/// "visible":false with "reason" and "detail", and no numbers. Pure.
std::string snapshot_json(const Snapshot& snapshot, const PodFilter& filter);

}  // namespace closewatch
