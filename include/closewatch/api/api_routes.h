#pragma once

#include "closewatch/http/message.h"
#include "closewatch/present/route_sources.h"

namespace closewatch {

/// Answers everything below /api. Nothing here scans; a list of sockets looks up their processes,
/// which is O(descriptors of the pod).
http::Response api_answer(const RouteSources& sources, const http::Request& request);

}  // namespace closewatch
