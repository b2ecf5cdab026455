// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

class KnownPods;

/// A pod as the cgroup tree shows it: by its uid, not yet by name.
struct PodCgroup {
  std::string uid;
  std::vector<Container> containers;
};

struct CgroupPods {
  bool kubepods = false;  ///< a kubelet has been here, even if there is no pod
  std::vector<PodCgroup> pods;
  std::vector<Error> errors;  ///< directories that could not be looked into
};

/// The directories of the hierarchies in which a kubelet's pods are to be looked for, below `root`
/// (/sys/fs/cgroup): the root itself for cgroup v2; for v1 one controller that the kubelet always
/// fills; for the hybrid layout `unified` and that controller.
std::vector<CgroupDirectory> cgroup_hierarchies(const std::string& root);

/// Directories that are no kubelet's and have others below them: users may make them in what was
/// handed to them, so no more than these are looked into.
inline constexpr std::size_t kMostOtherCgroups = 16'384;

/// The pods in a cgroup tree. Belongs to one thread.
class CgroupTree {
 public:
  /// `root` as above; looks into no more than `most_others`, and keeps no more than `most_open`
  /// descriptors from one look to the next.
  explicit CgroupTree(std::string root, std::size_t most_open = 0,
                      std::size_t most_others = kMostOtherCgroups);
  CgroupTree(const CgroupTree&) = delete;
  CgroupTree& operator=(const CgroupTree&) = delete;
  CgroupTree(CgroupTree&&) noexcept;
  CgroupTree& operator=(CgroupTree&&) noexcept;
  ~CgroupTree();

  /// O(directories outside containers), of which those of pods that have not changed cost least. A
  /// directory that goes while it is walked is no error. An error means that there is no cgroup
  /// tree.
  Result<CgroupPods> find_pods();

 private:
  std::string root_;
  std::size_t most_others_;
  std::unique_ptr<KnownPods> known_;
};

}  // namespace closewatch
