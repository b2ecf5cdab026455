// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "closewatch/http/message.h"
#include "closewatch/metrics/metric_filter.h"
#include "closewatch/present/route_sources.h"

namespace closewatch {

/// Answers every route: metrics, /healthz, /readyz, the API and the live page. Nothing here scans:
/// the last snapshot is written down, once for all who ask for the same. What lists sockets is
/// answered when their processes have been looked up, by another thread.
/// Of the metrics that is left out which `without` says.
http::Handler make_routes(RouteSources sources, const MetricFilter& without = {});

/// Answers /healthz and /readyz, and nothing else.
http::Handler make_health_routes(RouteSources sources);

}  // namespace closewatch
