// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace closewatch {

enum class MetricKind : std::uint8_t { kGauge, kCounter };

/// Every metric that closewatch exposes, in the order of its exposition.
enum class Metric : std::uint8_t {
  kPodSockets,
  kCloseWait,
  kCloseWaitStuck,
  kCloseWaitOldest,
  kCloseWaitUnread,
  kCloseWaitEntered,
  kCloseWaitLeft,
  kCloseWaitLeftClosed,
  kCloseWaitLeftHeld,
  kCloseWaitPeer,
  kCloseWaitOwner,
  kPodVisible,
  kPodInfo,
  kExcludedSeries,
  kUnnamedPods,
  kListenBacklogSockets,
  kListenBacklogLimit,
  kClosedHeld,
  kClosedHeldEntered,
  kClosedHeldOwner,
  kDescriptorsOpen,
  kDescriptorsLimit,
  kPodTcpEvents,
  kNodeSockets,
  kScanDuration,
  kScanCpu,
  kScanInterval,
  kScanOverBudget,
  kScanTimestamp,
  kScanErrors,
  kHungReads,
  kFeatureEnabled,
  kEngineInUse,
  kEngineChecks,
  kWebConfigCurrent,
  kWebConfigLoaded,
  kWebRefused,
  kConfined,
  kBuildInfo,
  kProcessCpu,
  kProcessOpenFds,
  kProcessMaxFds,
  kProcessVirtualMemory,
  kProcessResidentMemory,
  kProcessStartTime,
};
inline constexpr std::size_t kMetricCount =
    std::size_t{1} + static_cast<std::size_t>(Metric::kProcessStartTime);

struct MetricDescription {
  std::string_view name;
  MetricKind kind;
  std::string_view labels;  ///< for the documentation
  std::string_view help;
};

const MetricDescription& describe(Metric metric);

/// docs/metrics.md's table, so that it cannot tell anything else than the code.
std::string metric_table_markdown();

}  // namespace closewatch
