// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// A process that has a socket open, the first that was found where several have.
struct SocketOwner {
  pid_t pid = 0;
  std::string comm;              ///< printable ASCII
  ContainerIndex container = 0;  ///< whose the process is; 0 for a pod without containers
};

struct SocketOwnerList {
  std::unordered_map<std::uint32_t, SocketOwner> by_inode;  ///< only those that were found
  std::optional<Error> error;  ///< why some may be missing; that a process ended is none
};

/// Finds out which process has a socket by looking through /proc/PID/fd: O(descriptors of the pod),
/// which is why nobody asks for it but where the kernel names no cgroup, or a person wants to know.
/// It looks at so many of a pod's at most, kMostDescriptors, and for so long. Thread-safe.
class SocketOwners {
 public:
  static constexpr std::size_t kMostDescriptors = 8192;

  /// `proc` is the host's /proc, `most` how many descriptors of a pod are looked at; after
  /// `patience` no further process is.
  explicit SocketOwners(std::string proc, std::size_t most = kMostDescriptors,
                        std::chrono::nanoseconds patience = std::chrono::seconds(1))
      : proc_(std::move(proc)), most_(most), patience_(patience) {}

  /// The owners of those of the pod's sockets that have these inode numbers.
  [[nodiscard]] SocketOwnerList find(const Pod& pod, std::vector<std::uint32_t> inodes) const;

 private:
  std::string proc_;
  std::size_t most_;
  std::chrono::nanoseconds patience_;
};

}  // namespace closewatch
