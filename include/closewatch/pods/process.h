#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// The node's first process, when its /proc is read: it is always of the host.
inline constexpr pid_t kInit = 1;

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

/// By what an engine gets at a network namespace.
enum class NamespaceAccess : std::uint8_t {
  kNamespace,  ///< /proc/PID/ns/net: can be entered and compared; takes CAP_SYS_PTRACE
  kText,       ///< the folder /proc/PID/net: takes no capability, and has only text in it
};

/// An open /proc/PID folder: everything read through it is of one process, and fails with kGone
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
  /// Its network namespace, open. kGone for a zombie, kDenied without CAP_SYS_PTRACE.
  [[nodiscard]] Result<UniqueFd> network_namespace(
      NamespaceAccess access = NamespaceAccess::kNamespace) const;

 private:
  explicit Process(UniqueFd folder) : folder_(std::move(folder)) {}

  [[nodiscard]] Result<std::string> read(const char* file) const;

  UniqueFd folder_;
};

/// The numbers of all processes, in no order.
Result<std::vector<pid_t>> list_processes(int proc);

/// Identifies the network namespace of a process without opening it. Errors as network_namespace().
Result<NamespaceId> network_namespace_id(int proc, pid_t pid,
                                         NamespaceAccess access = NamespaceAccess::kNamespace);

/// A process that stands in the host's network namespace: init, or where that may not be looked at
/// (a security module protects it), the kernel's own kthreadd, which has never left it. kDenied
/// when nobody can tell, for lack of CAP_SYS_PTRACE.
Result<ProcessRef> find_host_process(int proc,
                                     NamespaceAccess access = NamespaceAccess::kNamespace);

/// Identifies an open namespace. By kText it is known by a file of its own in procfs, whose inode
/// number no other namespace has (proc_register() in fs/proc/generic.c), so ids of the two kinds do
/// not compare.
Result<NamespaceId> identify(const UniqueFd& network_namespace,
                             NamespaceAccess access = NamespaceAccess::kNamespace);

}  // namespace closewatch
