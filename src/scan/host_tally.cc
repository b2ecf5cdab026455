#include "closewatch/scan/host_tally.h"

#include <algorithm>

namespace closewatch {

void HostTally::begin(const std::vector<std::vector<ContainerCgroup>>& pods) {
  pods_.clear();
  claims_.clear();
  for (const auto& cgroups : pods) {
    auto& tally = *pods_.emplace_back(std::make_unique<SocketTally>());
    tally.begin_pod(cgroups);
    for (const auto& cgroup : cgroups) claims_.emplace_back(cgroup.id, &tally);
  }
  std::sort(claims_.begin(), claims_.end());
  node_.begin_pod({});
}

void HostTally::restart() {
  node_.restart();
  for (const auto& pod : pods_) pod->restart();
  saw_cgroup_id_ = false;
}

void HostTally::row(const SocketRow& row) {
  saw_cgroup_id_ |= row.cgroup_id.value_or(kUnknownCgroup) != kUnknownCgroup;
  if (!row.cgroup_id || may_lack_cgroup(row.state)) return node_.row(row);
  const auto claim =
      std::lower_bound(claims_.begin(), claims_.end(), *row.cgroup_id,
                       [](const auto& known, std::uint64_t id) { return known.first < id; });
  const bool claimed = claim != claims_.end() && claim->first == *row.cgroup_id;
  (claimed ? *claim->second : node_).row(row);
}

}  // namespace closewatch
