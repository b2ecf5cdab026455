// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/support/fake_tree.h"

namespace closewatch::testing {

/// The root of this machine's cgroup v2 hierarchy, alone or beside v1.
std::string cgroup_root();

/// Moves this process into a cgroup.
void enter_cgroup(const std::string& directory);

/// A pod of the namespace "shop" as a kubelet and a runtime make it: real cgroups for it and its
/// containers, whose names stand in made-up directories of logs. Its processes must have left
/// before it goes.
class CgroupPod {
 public:
  /// `logs` holds the directories "pods" and "containers"; `root` is of a cgroup hierarchy.
  CgroupPod(const FakeTree& logs, const std::string& name, std::string root = cgroup_root());
  CgroupPod(const CgroupPod&) = delete;
  CgroupPod& operator=(const CgroupPod&) = delete;
  CgroupPod(CgroupPod&&) = delete;
  CgroupPod& operator=(CgroupPod&&) = delete;
  ~CgroupPod();

  /// Makes another container; returns its cgroup's directory.
  std::string add_container(const std::string& container);
  /// Makes a directory, which goes with the pod.
  std::string add_directory(const std::string& path);

 private:
  const FakeTree& logs_;
  std::string name_;
  std::string root_;
  std::string pod_directory_;
  std::size_t containers_ = 0;
  std::vector<std::string> directories_;
};

}  // namespace closewatch::testing
