// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "closewatch/pods/kubernetes_pods.h"
#include "closewatch/pods/standalone_namespaces.h"

namespace closewatch {

enum class PodDiscovery : std::uint8_t {
  kAuto,        ///< Kubernetes where a kubelet's cgroups are, standalone elsewhere
  kKubernetes,  ///< the pods of the cgroup tree, even if there is none yet
  kStandalone,  ///< the machine's network namespaces, even beside a kubelet
};

/// Chooses anew at each list(), as a kubelet may start after the agent.
class NodePods final : public PodSource {
 public:
  NodePods(PodDiscovery discovery, std::unique_ptr<KubernetesPods> kubernetes,
           std::unique_ptr<StandaloneNamespaces> standalone);

  Result<PodList> list() override;

 private:
  PodDiscovery discovery_;
  std::unique_ptr<KubernetesPods> kubernetes_;
  std::unique_ptr<StandaloneNamespaces> standalone_;
};

}  // namespace closewatch
