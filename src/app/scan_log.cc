// SPDX-License-Identifier: Apache-2.0
#include "app/scan_log.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "closewatch/base/seconds.h"

namespace closewatch {
namespace {

using PodKey = std::tuple<std::string_view, std::string_view, std::string_view>;

PodKey key_of(const PodSnapshot& pod) { return {pod.pod_namespace, pod.name, pod.uid}; }

using PodIndex = std::map<PodKey, const PodSnapshot*>;

PodIndex index(const Snapshot* snapshot) {
  PodIndex pods;
  if (snapshot == nullptr) return pods;
  for (const auto& pod : snapshot->pods) pods.emplace(key_of(pod), &pod);
  return pods;
}

/// hostNetwork and sandboxed pods are as they should be; a pod without a process mostly just ends,
/// and one that is excluded was asked for.
LogLevel level_of(Visibility visibility) {
  switch (visibility) {
    case Visibility::kDenied:
    case Visibility::kIncomplete:
    case Visibility::kOverLimit:
    case Visibility::kHung:
      return LogLevel::kWarn;
    case Visibility::kNoProcess:
    case Visibility::kExcluded:
      return LogLevel::kDebug;
    case Visibility::kVisible:
    case Visibility::kSandboxed:
    case Visibility::kHostNetwork:
    case Visibility::kStale:
      return LogLevel::kInfo;
  }
  return LogLevel::kInfo;
}

void pod_changes(const Snapshot* previous, const Snapshot& current, std::vector<LogLine>& lines) {
  const auto before = index(previous);
  for (const auto& pod : current.pods) {
    const auto known = before.find(key_of(pod));
    const auto was = known == before.end() ? Visibility::kVisible : known->second->visibility;
    if (was == pod.visibility) continue;
    if (pod.visibility == Visibility::kVisible) {
      lines.push_back(
          {level_of(was), fmt::format("pod {}/{} is visible again", pod.pod_namespace, pod.name)});
    } else {
      lines.push_back({level_of(pod.visibility),
                       fmt::format("pod {}/{} is not visible ({}): {}", pod.pod_namespace, pod.name,
                                   reason_of(pod.visibility), pod.detail)});
    }
  }
}

void complaint_changes(const Snapshot* previous, const Snapshot& current,
                       std::vector<LogLine>& lines) {
  for (const auto& complaint : current.complaints) {
    const bool known =
        previous != nullptr && std::find(previous->complaints.begin(), previous->complaints.end(),
                                         complaint) != previous->complaints.end();
    if (!known) lines.push_back({LogLevel::kWarn, complaint});
  }
}

void interval_change(const Snapshot* previous, const Snapshot& current,
                     std::vector<LogLine>& lines) {
  if (previous == nullptr || previous->interval == current.interval) return;
  lines.push_back(
      {current.interval > previous->interval ? LogLevel::kWarn : LogLevel::kInfo,
       fmt::format("a scan cost {:.3f} s of CPU: the interval is now {:g} s to keep to "
                   "scan.cpu_budget, it was {:g} s",
                   seconds(current.cpu), seconds(current.interval), seconds(previous->interval))});
}

const EngineStatus* in_use(const Snapshot& snapshot) {
  const auto used = std::find_if(snapshot.engines.begin(), snapshot.engines.end(),
                                 [](const EngineStatus& status) { return status.reason.empty(); });
  return used == snapshot.engines.end() ? nullptr : &*used;
}

std::string_view reason_of(const Snapshot& snapshot, Engine engine) {
  const auto status = std::find_if(snapshot.engines.begin(), snapshot.engines.end(),
                                   [&](const EngineStatus& one) { return one.engine == engine; });
  return status == snapshot.engines.end() ? "" : status->reason;
}

void engine_change(const Snapshot* previous, const Snapshot& current, std::vector<LogLine>& lines) {
  if (previous == nullptr) return;
  const auto* const was = in_use(*previous);
  const auto* const is = in_use(current);
  if (was == nullptr || is == nullptr || was->engine == is->engine) return;
  // A complaint says what bpf has told.
  if (is->engine == Engine::kInetDiag && reason_of(current, Engine::kBpf) == kEngineDisagrees)
    return;
  lines.push_back(
      {LogLevel::kInfo,
       is->engine == Engine::kBpf
           ? "the engine bpf reads the sockets from now on: scans by inet_diag took more than a "
             "tenth of scan.cpu_budget"
           : "the engine inet_diag reads the sockets again: it would have been cheap for ten "
             "minutes"});
}

void api_server_change(const Snapshot* previous, const Snapshot& current,
                       std::vector<LogLine>& lines) {
  const auto follows = [](const Snapshot& snapshot) {
    return snapshot.features.metadata_api.value_or(false);
  };
  if (!follows(current) || (previous != nullptr && follows(*previous))) return;
  lines.push_back({LogLevel::kInfo, previous == nullptr ? "the API server tells the pods' names"
                                                        : "the API server tells the pods' names "
                                                          "again"});
}

void unnamed_change(const Snapshot* previous, const Snapshot& current,
                    std::vector<LogLine>& lines) {
  const auto unnamed = [](const Snapshot* snapshot) -> std::ptrdiff_t {
    if (snapshot == nullptr) return 0;
    return std::count_if(snapshot->pods.begin(), snapshot->pods.end(),
                         [](const PodSnapshot& pod) { return !pod.named; });
  };
  const auto now = unnamed(&current);
  if (now == unnamed(previous)) return;
  lines.push_back(
      {LogLevel::kInfo,
       fmt::format("{} pods have no name in any source of metadata and go by their uid; "
                   "is the host's /var/log/pods mounted?",
                   now)});
}

}  // namespace

std::vector<LogLine> changes(const Snapshot* previous, const Snapshot& current) {
  std::vector<LogLine> lines;
  if (previous == nullptr) {
    lines.push_back(
        {LogLevel::kInfo, fmt::format("first scan done: {} pods", current.pods.size())});
  }
  complaint_changes(previous, current, lines);
  api_server_change(previous, current, lines);
  pod_changes(previous, current, lines);
  unnamed_change(previous, current, lines);
  engine_change(previous, current, lines);
  interval_change(previous, current, lines);
  return lines;
}

ScanListener log_scans(const Logger& logger) {
  return {[logger](const Snapshot* before, const Snapshot& now) {
            for (const auto& line : changes(before, now)) {
              logger->log(to_spdlog(line.level), line.text);
            }
          },
          [logger](const std::string& why) {
            logger->error("a scan failed and is tried again: {}", why);
          }};
}

}  // namespace closewatch
