// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// What the directory names of the cgroup tree say about pods and containers. Pure text, no I/O.
///
/// Sources: kubelet's pkg/kubelet/cm (cgroup_manager_linux.go, pod_container_manager_linux.go) for
/// pods; the runtimes' CRI code for containers.
namespace closewatch {

/// Of a container's id, hexadecimal digits.
inline constexpr std::size_t kContainerIdLength = 64;

/// Where a directory of the cgroup tree stands. Empty strings mean "not in one".
struct CgroupPosition {
  bool below_kubepods = false;
  bool holds_pods = false;  ///< it is the kubelet's own directory, or that of a QoS class
  bool ignored = false;     ///< a runtime's monitor (conmon) or a mount unit: no pod's process
  /// It is, or is below, a unit whose directories may be its user's (Delegate= of
  /// systemd.resource-control(5)): whatever is called like a kubelet's there is none.
  bool delegated = false;
  bool service = false;      ///< it is a service of the system's
  std::string pod_uid;       ///< with dashes; 32 hexadecimal digits for a static pod
  std::string container_id;  ///< 64 hexadecimal digits

  bool operator==(const CgroupPosition&) const = default;
};

/// The position of the directory `name` inside a directory at `parent`. Below a pod's container
/// everything belongs to that container, whatever it runs inside; outside pods the innermost
/// container counts.
CgroupPosition step_into(const CgroupPosition& parent, std::string_view name);

/// The position of a whole path ("/kubepods/burstable/pod…/…").
CgroupPosition locate(std::string_view path);

/// Whether any line of /proc/PID/cgroup has `directory` as one of its path's directories.
bool lists_directory(std::string_view proc_cgroup, std::string_view directory);

/// The container that a process lives in by its /proc/PID/cgroup: a 64-digit id, or empty.
std::string container_of(std::string_view proc_cgroup);

}  // namespace closewatch
