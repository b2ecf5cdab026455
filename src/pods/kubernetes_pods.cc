// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/kubernetes_pods.h"

#include <fcntl.h>

#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/node/descriptor_limit.h"
#include "closewatch/node/process.h"

namespace closewatch {
namespace {

// An empty label would be filled by the scraper with the agent's own namespace.
constexpr const char* kUnknownNamespace = "unknown";

}  // namespace

KubernetesPods::KubernetesPods(std::string proc, std::string cgroup_root,
                               std::unique_ptr<MetadataSource> metadata, NamespaceAccess access)
    : proc_(std::move(proc)),
      tree_(std::move(cgroup_root), descriptors_to_keep()),
      metadata_(std::move(metadata)),
      access_(access) {}

Result<PodList> KubernetesPods::list() {
  auto found = tree_.find_pods();
  kubelet_seen_ = found && found->kubepods;
  if (!found) return tl::unexpected(found.error());
  PodList list;
  list.errors = std::move(found->errors);
  auto proc = open_at(kWorkingDirectory, proc_.c_str(), O_PATH | O_DIRECTORY);
  if (!proc) return tl::unexpected(proc.error());
  list.node = find_host_process(proc->get(), access_).map([](const ProcessRef& host) {
    return NamespaceLocator(host);
  });
  if (auto refreshed = metadata_->refresh(); !refreshed) {
    list.name_errors.push_back(refreshed.error());
  }
  list.follows_api_server = metadata_->follows_api_server();
  for (auto& cgroup : found->pods) list.pods.push_back(named(std::move(cgroup)));
  return list;
}

Pod KubernetesPods::named(PodCgroup cgroup) const {
  Pod pod;
  if (auto metadata = metadata_->pod(cgroup.uid)) {
    pod.pod_namespace = std::move(metadata->pod_namespace);
    pod.name = std::move(metadata->name);
    pod.workload_kind = std::move(metadata->workload_kind);
    pod.workload = std::move(metadata->workload);
  } else {
    pod.pod_namespace = kUnknownNamespace;
    pod.name = cgroup.uid;
    pod.named = false;
  }
  pod.uid = std::move(cgroup.uid);
  pod.containers = std::move(cgroup.containers);
  for (auto& container : pod.containers) {
    container.name = metadata_->container_name(container.id).value_or("");
  }
  return pod;
}

}  // namespace closewatch
