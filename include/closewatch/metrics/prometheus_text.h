// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "closewatch/metrics/metric_filter.h"
#include "closewatch/present/agent_facts.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// The exposition in Prometheus' text format 0.0.4 is snapshot_text(), where there is a snapshot,
/// and then agent_text(). A stale snapshot gives no counts: its pods are not visible.
///
/// What `without` leaves out is counted, and never a zero. Pods that are excluded have
/// closewatch_pod_visible and nothing else. Pods of the same namespace and name (one ends while its
/// successor starts) are one series: the sum of those that were counted. Pure; O(pods).
std::string snapshot_text(const Snapshot& snapshot, std::chrono::steady_clock::time_point now,
                          const MetricFilter& without = {});

/// The agent's own metrics. Pure.
std::string agent_text(const AgentFacts& agent);

/// The content type of both.
inline constexpr const char* kPrometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace closewatch
