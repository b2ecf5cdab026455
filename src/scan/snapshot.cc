// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/snapshot.h"

#include <utility>

namespace closewatch {

std::string_view reason_of(Visibility visibility) {
  switch (visibility) {
    case Visibility::kVisible:
      return "";
    case Visibility::kSandboxed:
      return "sandboxed";
    case Visibility::kNoProcess:
      return "no_process";
    case Visibility::kDenied:
      return "denied";
    case Visibility::kIncomplete:
      return "incomplete";
    case Visibility::kHostNetwork:
      return "host_network";
    case Visibility::kOverLimit:
      return "over_limit";
    case Visibility::kHung:
      return "hung";
    case Visibility::kExcluded:
      return "excluded";
    case Visibility::kStale:
      return "stale";
  }
  return "";
}

std::string_view name_of(ScanStage stage) {
  constexpr std::array<std::string_view, kScanStageCount> kNames = {
      "discovery", "metadata", "namespace", "sockets", "decode"};
  return kNames.at(static_cast<std::size_t>(stage));
}

std::vector<OwnerSums> PodSnapshot::owners() const {
  auto owners = diagnosis.owners;
  if (held == nullptr || held->owners.empty()) return owners;
  owners.insert(owners.end(), held->owners.begin(), held->owners.end());
  return merged_owners(std::move(owners));
}

void PodSnapshot::hide(Visibility why, std::string sentence) {
  visibility = why;
  detail = std::move(sentence);
  sums = {};
  diagnosis = {};
  descriptors.clear();
  held.reset();
  tcp_events.reset();
}

void SnapshotStore::publish(std::shared_ptr<const Snapshot> snapshot) {
  const std::lock_guard lock(mutex_);
  snapshot_.swap(snapshot);  // the old one is freed after the lock
}

std::shared_ptr<const Snapshot> SnapshotStore::last() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

}  // namespace closewatch
