// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "closewatch/node/process.h"

namespace closewatch {

/// Processes that were looked at before, each by its open /proc/PID, which is that process' alone
/// whoever gets its number: what was found out about who it is holds until it ends. It keeps no
/// process alive, and none of its namespaces (struct pid, not task_struct, is what
/// proc_pid_make_inode() in fs/proc/base.c holds). Thread-safe.
class KnownProcesses {
 public:
  /// Keeps no more than `most` open.
  explicit KnownProcesses(std::size_t most) : most_(most) {}

  /// nullptr when it is not known. It may have ended: then whatever is read of it is kGone.
  std::shared_ptr<const Process> find(pid_t pid);
  void keep(pid_t pid, std::shared_ptr<const Process> process);
  /// Forgets those that nobody asked for since the last call.
  void forget_others();

 private:
  struct Known {
    std::shared_ptr<const Process> process;
    bool asked = true;
  };

  std::size_t most_;
  std::mutex mutex_;
  std::unordered_map<pid_t, Known> processes_;
};

}  // namespace closewatch
