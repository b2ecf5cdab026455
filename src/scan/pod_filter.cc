// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/pod_filter.h"

namespace closewatch {

bool PodFilter::names(const PodSnapshot& pod_snapshot) const {
  return (pod_namespace.empty() || pod_namespace == pod_snapshot.pod_namespace) &&
         (pod.empty() || pod == pod_snapshot.name);
}

bool PodFilter::matches(const PodSnapshot& pod_snapshot) const {
  if (!names(pod_snapshot)) return false;
  return !state || !pod_snapshot.knows(*state) || pod_snapshot.sums.states.of(*state) > 0;
}

std::vector<TcpState> PodFilter::states() const {
  if (state) return {*state};
  return {kTcpStates.begin(), kTcpStates.end()};
}

}  // namespace closewatch
