// SPDX-License-Identifier: Apache-2.0
#include "closewatch/diagnosis/host_tally.h"

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

void HostTally::row(const SocketRow& row) { owner_of(row.state, row.cgroup_id).row(row); }

void HostTally::counted(const SocketCount& count) {
  owner_of(count.state, count.cgroup_id).counted(count);
}

void HostTally::port_in_use(std::uint16_t port) {
  node_.port_in_use(port);
  for (const auto& pod : pods_) pod->port_in_use(port);
}

SocketTally& HostTally::owner_of(TcpState state, const std::optional<std::uint64_t>& cgroup_id) {
  saw_cgroup_id_ |= cgroup_id.value_or(kUnknownCgroup) != kUnknownCgroup;
  if (!cgroup_id || may_lack_cgroup(state)) return node_;
  const auto claim =
      std::lower_bound(claims_.begin(), claims_.end(), *cgroup_id,
                       [](const auto& known, std::uint64_t id) { return known.first < id; });
  const bool claimed = claim != claims_.end() && claim->first == *cgroup_id;
  return claimed ? *claim->second : node_;
}

}  // namespace closewatch
