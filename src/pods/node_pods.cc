// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/node_pods.h"

#include <utility>

namespace closewatch {

NodePods::NodePods(PodDiscovery discovery, std::unique_ptr<KubernetesPods> kubernetes,
                   std::unique_ptr<StandaloneNamespaces> standalone)
    : discovery_(discovery),
      kubernetes_(std::move(kubernetes)),
      standalone_(std::move(standalone)) {}

Result<PodList> NodePods::list() {
  if (discovery_ == PodDiscovery::kStandalone) return standalone_->list();
  auto pods = kubernetes_->list();
  if (discovery_ == PodDiscovery::kKubernetes || kubernetes_->kubelet_seen()) return pods;
  return standalone_->list();
}

}  // namespace closewatch
