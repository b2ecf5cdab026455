// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"

namespace closewatch {

/// The fields of /proc/PID/stat that tell who a process is, proc(5).
struct ProcessStat {
  std::string comm;
  std::uint64_t start_time = 0;  ///< clock ticks since boot
};
/// Pure. kMalformed when a field is missing or no number.
Result<ProcessStat> parse_process_stat(std::string_view text);

/// An open /proc/PID directory. Nothing here waits for the process' mmap lock, which one with a
/// dead file system may hold for ever: docs/architecture.md says which files do. Everything read
/// through it is of one process, and fails with kGone once that has ended, even if its number lives
/// again. Belongs to one thread.
class Process {
 public:
  static Result<Process> open(int proc, pid_t pid);

  [[nodiscard]] Result<ProcessStat> stat() const;
  /// /proc/PID/cgroup, as text.
  [[nodiscard]] Result<std::string> cgroup() const;
  /// The file that it runs, as the link /proc/PID/exe shows it (d_path() in fs/d_path.c: a file
  /// that is gone ends with " (deleted)"). The link is read and not followed; argv[0], which a
  /// process may choose, is not asked. kGone for kernel threads and zombies, kDenied without
  /// CAP_SYS_PTRACE.
  [[nodiscard]] Result<std::string> program() const;
  /// Hands the inode number of each socket that it has open to `visitor`, as often as it has it
  /// open. Looks at no more than `left` descriptors, and takes those that it looked at off it: they
  /// cost some 10 µs each. kOverLimit when there are more, kDenied without CAP_SYS_PTRACE. One that
  /// cannot be read is an error that ends nothing: the others are handed over.
  Result<void> visit_sockets(std::size_t& left,
                             const std::function<void(std::uint32_t inode)>& visitor) const;
  /// Its open /proc/PID.
  [[nodiscard]] int directory() const { return directory_.get(); }

 private:
  explicit Process(UniqueFd directory) : directory_(std::move(directory)) {}

  [[nodiscard]] Result<std::string> read(const char* file) const;

  UniqueFd directory_;
};

/// The numbers of all processes, in no order.
Result<std::vector<pid_t>> list_processes(int proc);

}  // namespace closewatch
