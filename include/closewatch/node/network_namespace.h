// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"

namespace closewatch {

class Process;

/// Identifies a namespace among those alive at one moment: the kernel reuses inode numbers
/// at once, so never compare across scans.
struct NamespaceId {
  dev_t device = 0;
  ino_t inode = 0;

  auto operator<=>(const NamespaceId&) const = default;  // NOLINT(modernize-use-nullptr): not here
};

/// The node's first process, when its /proc is read: it is always of the host.
inline constexpr pid_t kInit = 1;

/// By what an engine gets at a network namespace.
enum class NamespaceAccess : std::uint8_t {
  kNamespace,  ///< /proc/PID/ns/net: can be entered and compared; takes CAP_SYS_PTRACE
  kText,       ///< the directory /proc/PID/net: takes no capability, and has only text in it
};

/// A process, told apart from a later one of the same number by its start time.
struct ProcessRef {
  pid_t pid = 0;
  std::optional<std::uint64_t> start_time;  ///< field 22 of /proc/PID/stat; nullopt: not checked
};

/// kGone when it has ended or its number is another's by now. `proc` is the host's open /proc.
Result<Process> open_process(int proc, const ProcessRef& wanted);

/// A file that a namespace is mounted on, as `ip netns add` makes them.
struct NamespaceFile {
  std::string path;
};

using NamespaceLocator = std::variant<ProcessRef, NamespaceFile>;

/// A namespace that was seen somewhere a moment ago; `id` tells whether it still is what stands
/// there.
struct LocatedNamespace {
  NamespaceLocator where;
  NamespaceId id;
};

/// An open network namespace. It lives as long as this descriptor is open, so read it and let it
/// go.
struct OpenNamespace {
  UniqueFd fd;
  NamespaceId id;
};

/// Identifies the network namespace of a process without opening it. Errors as open_namespace().
Result<NamespaceId> network_namespace_id(int proc, pid_t pid,
                                         NamespaceAccess access = NamespaceAccess::kNamespace);

/// Likewise of an open process: kGone for a zombie.
Result<NamespaceId> network_namespace_id(const Process& process,
                                         NamespaceAccess access = NamespaceAccess::kNamespace);

/// Identifies the mount namespace of a process, whose open /proc/PID is given. Errors likewise.
Result<NamespaceId> mount_namespace_id(int process_directory);

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

/// Opens what stands at `locator`; `proc` is the host's /proc. Errors: kGone when the process has
/// ended or its number is another's by now, kDenied without CAP_SYS_PTRACE. By kText kGone, too,
/// for a file that a namespace is mounted on.
Result<OpenNamespace> open_namespace(const std::string& proc, const NamespaceLocator& locator,
                                     NamespaceAccess access);
/// The namespace of an open process: kGone for a zombie, kDenied without CAP_SYS_PTRACE.
Result<OpenNamespace> open_namespace(const Process& process,
                                     NamespaceAccess access = NamespaceAccess::kNamespace);

}  // namespace closewatch
