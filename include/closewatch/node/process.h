#pragma once

#include <sys/types.h>

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

/// Whether the command line of a process (its arguments, each ended by a null byte) is that of a
/// sandbox's host side: gVisor's (runsc) or Kata Containers'. The sandbox has a network stack of
/// its own, so the host's namespace shows zeros that are not the pod's.
bool is_sandbox_command(std::string_view command_line);

/// Whether a command line is that of a container runtime which is on its way into a container: it
/// is put into the container's cgroup first (runc's `init`, libcontainer/process_linux.go; crun
/// under its own command line).
bool is_runtime_command(std::string_view command_line);

/// An open /proc/PID directory: everything read through it is of one process, and fails with kGone
/// once that has ended, even if its number lives again. Belongs to one thread.
class Process {
 public:
  static Result<Process> open(int proc, pid_t pid);

  [[nodiscard]] Result<ProcessStat> stat() const;
  /// /proc/PID/cgroup, as text.
  [[nodiscard]] Result<std::string> cgroup() const;
  /// /proc/PID/cmdline; empty for a zombie.
  [[nodiscard]] Result<std::string> command_line() const;
  /// Hands the inode number of each socket that it has open to `visitor`, as often as it has it
  /// open. O(descriptors). kDenied without CAP_SYS_PTRACE.
  Result<void> visit_sockets(const std::function<void(std::uint32_t inode)>& visitor) const;
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
