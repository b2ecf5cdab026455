// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/node/network_namespace.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// Of a container: that process which is nearest to its limit of descriptors.
struct DescriptorUse {
  ContainerIndex container = 0;  ///< 0 for a pod without containers
  std::uint64_t open = 0;
  std::optional<std::uint64_t> limit;  ///< the soft one, above 0; nullopt: unlimited
  pid_t pid = 0;
  std::uint64_t start_time = 0;  ///< with `pid`, which process it is
  std::string comm;              ///< printable ASCII

  /// The share of the limit that is used; 0 without one.
  [[nodiscard]] double share() const {
    return limit ? static_cast<double>(open) / static_cast<double>(*limit) : 0;
  }
};

/// What was read of a pod's processes before, as to read a limit takes ten times as long as to
/// count descriptors: limits by process. prlimit(2) may change one: that of the process nearest to
/// its limit is read each time, others again after kLimitsHold readings.
class DescriptorLimits {
 public:
  static constexpr unsigned kLimitsHold = 10;

  struct Known {
    ino_t process = 0;  ///< OpenDescriptors::process
    std::optional<std::uint64_t> limit;
    unsigned readings = 0;  ///< in which it was taken as known
    bool seen = false;
  };
  using ByPid = std::map<pid_t, Known>;
  ByPid known;
};

/// The processes of each network namespace of the machine, by kinds of access, as pods without
/// Kubernetes are found.
using ProcessesByNamespace = std::map<NamespaceId, std::vector<pid_t>>;

/// Counts the open descriptors of pods. Thread-safe.
class DescriptorReader {
 public:
  /// So many processes of a pod are looked at; and where the kernel does not count descriptors
  /// (before Linux 6.2), so many descriptors of a pod.
  static constexpr std::size_t kMostProcesses = 10'000;
  static constexpr std::size_t kMostListed = 65'536;

  /// `proc` is the host's /proc.
  explicit DescriptorReader(std::string proc, NamespaceAccess access = NamespaceAccess::kNamespace);
  /// With a kernel that counts them, or does not.
  DescriptorReader(std::string proc, NamespaceAccess access, bool kernel_counts)
      : proc_(std::move(proc)), access_(access), kernel_counts_(kernel_counts) {}

  /// Of each container that has a process with descriptors, by container. `residents`: for a pod
  /// without Kubernetes, the processes in its namespace. Processes that end meanwhile do not count.
  /// Errors: kOverLimit for more than the above, kDenied, kForeign for processes outside this PID
  /// namespace: then nothing is known of any container, as the one that counts may be among them.
  Result<std::vector<DescriptorUse>> read(const Pod& pod, const std::vector<pid_t>& residents,
                                          DescriptorLimits& limits) const;

  /// O(processes of the machine). What may not be looked at is missing.
  [[nodiscard]] Result<ProcessesByNamespace> processes_by_namespace() const;

 private:
  std::string proc_;
  NamespaceAccess access_;
  bool kernel_counts_;
};

}  // namespace closewatch
