// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/namesakes.h"

#include <algorithm>
#include <utility>

namespace closewatch {

Namesakes find_namesakes(const Snapshot& snapshot, std::string_view pod_namespace,
                         std::string_view name) {
  struct Order {
    using Key = std::pair<std::string_view, std::string_view>;
    static Key key(const PodSnapshot& pod) { return {pod.pod_namespace, pod.name}; }
    bool operator()(const PodSnapshot& pod, const Key& wanted) const { return key(pod) < wanted; }
    bool operator()(const Key& wanted, const PodSnapshot& pod) const { return wanted < key(pod); }
  };
  const auto [first, last] = std::equal_range(snapshot.pods.begin(), snapshot.pods.end(),
                                              Order::Key(pod_namespace, name), Order());
  return {first, last};
}

Visibility visibility_of(Namesakes pods) {
  auto together = Visibility::kNoProcess;
  for (const auto& pod : pods) {
    if (pod.visibility == Visibility::kNoProcess) continue;
    if (pod.visibility != Visibility::kVisible) return pod.visibility;
    together = Visibility::kVisible;
  }
  return together;
}

}  // namespace closewatch
