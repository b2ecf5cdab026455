// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "closewatch/node/process.h"
#include "closewatch/pods/cgroup_tree.h"
#include "closewatch/pods/metadata_source.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// The pods of a Kubernetes node: found in the cgroup tree, named by a metadata source. It asks no
/// container runtime, so it works with each.
class KubernetesPods final : public PodSource {
 public:
  KubernetesPods(std::string proc, std::string cgroup_root,
                 std::unique_ptr<MetadataSource> metadata,
                 NamespaceAccess access = NamespaceAccess::kNamespace);

  Result<PodList> list() override;
  /// Whether the last list() met a kubelet's cgroups.
  [[nodiscard]] bool kubelet_seen() const { return kubelet_seen_; }

 private:
  Pod named(PodCgroup cgroup) const;

  std::string proc_;
  CgroupTree tree_;
  std::unique_ptr<MetadataSource> metadata_;
  NamespaceAccess access_;
  bool kubelet_seen_ = false;
};

}  // namespace closewatch
