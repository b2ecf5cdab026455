#pragma once

#include "closewatch/http/message.h"
#include "closewatch/metrics/metric_filter.h"
#include "closewatch/present/route_sources.h"

namespace closewatch {

/// Answers every route: metrics, /healthz, /readyz, the API and the live page. Nothing here scans:
/// a scrape only writes down the last snapshot. A list of sockets looks up their processes as well,
/// which is O(descriptors of the pod).
/// Of the metrics that is left out which `without` says.
http::Handler make_routes(RouteSources sources, const MetricFilter& without = {});

}  // namespace closewatch
