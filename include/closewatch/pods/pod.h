// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/node/network_namespace.h"
#include "closewatch/node/open_cgroup.h"

namespace closewatch {

/// A directory of a cgroup hierarchy.
struct CgroupDirectory {
  std::string path;      ///< absolute
  bool unified = false;  ///< of cgroup v2, whose inode numbers are the ids that sockets carry
  std::shared_ptr<const OpenCgroup> open = nullptr;  ///< nullptr: it is found by its path
};

struct Container {
  std::string
      id;  ///< 64 hexadecimal digits; empty for a directory of the pod that names no container
  std::string name;  ///< empty when unknown, as for the sandbox ("pause") container
  std::vector<CgroupDirectory> cgroup_directories;  ///< one for each cgroup hierarchy in use
};

/// A container of a pod, by its place in Pod::containers.
using ContainerIndex = std::uint16_t;

/// A cgroup v2 directory, by the id that sockets carry, and the container whose it is.
struct ContainerCgroup {
  std::uint64_t id = 0;
  ContainerIndex container = 0;
};

/// A pod of this node, or without Kubernetes a network namespace of this machine. A value, which
/// keeps nothing alive: neither processes and namespaces nor, open as they may be, cgroups.
struct Pod {
  std::string pod_namespace;  ///< never empty; "unknown" for a pod without a name
  std::string name;           ///< never empty; the uid for a pod without a name
  std::string uid;
  bool named = true;  ///< false when no metadata source knows the uid
  std::string workload_kind;
  std::string workload;
  std::vector<Container> containers;        ///< where its processes are, under Kubernetes
  std::optional<LocatedNamespace> located;  ///< where its namespace is, without Kubernetes
};

struct PodList {
  std::vector<Pod> pods;
  Result<NamespaceLocator> node;   ///< the host's own namespace, or why nobody can tell
  std::vector<Error> errors;       ///< what could not be looked at; the list may lack pods for it
  std::vector<Error> name_errors;  ///< why names may be missing
  std::optional<bool> follows_api_server;  ///< nullopt: it is not asked
};

/// Tells which pods are on this node. Belongs to one thread.
class PodSource {
 public:
  PodSource() = default;
  PodSource(const PodSource&) = delete;
  PodSource& operator=(const PodSource&) = delete;
  virtual ~PodSource() = default;

  /// All pods of this moment. An error means that nothing can be said about any pod.
  virtual Result<PodList> list() = 0;
};

}  // namespace closewatch
