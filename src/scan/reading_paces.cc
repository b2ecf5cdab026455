// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/reading_paces.h"

#include <algorithm>

namespace closewatch {
namespace {

/// Of the budget, for each.
constexpr double kShare = 0.25;
/// Of the budget, what each should rather cost, where that does not delay it for too long.
constexpr double kThriftyShare = 0.01;

/// Descriptors that leak do so over minutes, and a process is looked at in 2 µs.
constexpr std::chrono::seconds kDescriptors{30};
constexpr std::chrono::minutes kDescriptorsLongest{1};
/// All open files of the machine, at half a microsecond each. Who scans more often than usual wants
/// to know sooner. A leak takes minutes.
constexpr std::chrono::seconds kHeld{60};
constexpr int kHeldScans = 6;
constexpr std::chrono::minutes kHeldLongest{5};
/// The kernel sums each counter up over all CPUs. A rate over five minutes, as rules and dashboards
/// take it, still sees two steps or three.
constexpr std::chrono::seconds kEvents{30};
constexpr std::chrono::minutes kEventsLongest{2};

}  // namespace

ReadingPaces reading_paces(double cpu_budget, std::chrono::nanoseconds scan_interval) {
  const auto pace = [&](std::chrono::nanoseconds interval, std::chrono::nanoseconds longest) {
    return ReadingPace(interval, kShare * cpu_budget,
                       ReadingPace::Thrift{kThriftyShare * cpu_budget, longest});
  };
  return {.descriptors = pace(kDescriptors, kDescriptorsLongest),
          .held = pace(std::min<std::chrono::nanoseconds>(kHeld, kHeldScans * scan_interval),
                       kHeldLongest),
          .events = pace(kEvents, kEventsLongest)};
}

}  // namespace closewatch
