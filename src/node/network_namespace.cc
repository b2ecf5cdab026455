// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/network_namespace.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/node/process.h"

namespace closewatch {
namespace {

constexpr const char* kNamespaceLink = "ns/net";
constexpr const char* kTextDirectory = "net";
constexpr const char* kTextFile = "tcp";  // below that; every namespace has one
constexpr pid_t kKthreadd = 2;            // in the first PID namespace; elsewhere 2 is anybody

bool is_kthreadd(int proc) {
  const auto process = Process::open(proc, kKthreadd);
  if (!process) return false;
  const auto stat = process->stat();
  return stat && stat->comm == "kthreadd";
}

tl::unexpected<Error> denied_namespace() {
  return fail(ErrorKind::kDenied,
              "a process's network namespace: CAP_SYS_PTRACE is missing; add SYS_PTRACE to the "
              "container's capabilities, or run as root");
}

/// Below a process's directory, what tells its namespace from others.
const char* path_of(NamespaceAccess access) {
  return access == NamespaceAccess::kText ? "net/tcp" : kNamespaceLink;
}

Result<NamespaceId> id_at(int directory, const char* path) {
  struct stat status {};
  if (::fstatat(directory, path, &status, 0) < 0) {
    if (errno == EACCES || errno == EPERM) return denied_namespace();
    return fail_errno(errno, std::string("looking at /proc/") + path);
  }
  return NamespaceId{status.st_dev, status.st_ino};
}

Result<UniqueFd> open_of(const Process& process, NamespaceAccess access) {
  if (access == NamespaceAccess::kText) {
    return open_at(process.directory(), kTextDirectory, O_PATH | O_DIRECTORY);
  }
  auto opened = open_at(process.directory(), kNamespaceLink, O_RDONLY);
  if (!opened && opened.error().kind == ErrorKind::kDenied) return denied_namespace();
  return opened;
}

Result<OpenNamespace> identified(Result<UniqueFd> fd, NamespaceAccess access) {
  if (!fd) return tl::unexpected(fd.error());
  auto id = identify(*fd, access);
  if (!id) return tl::unexpected(id.error());
  return OpenNamespace{std::move(*fd), *id};
}

}  // namespace

Result<NamespaceId> network_namespace_id(int proc, pid_t pid, NamespaceAccess access) {
  return id_at(proc, (std::to_string(pid) + "/" + path_of(access)).c_str());
}

Result<NamespaceId> network_namespace_id(const Process& process, NamespaceAccess access) {
  return id_at(process.directory(), path_of(access));
}

Result<Process> open_process(int proc, const ProcessRef& wanted) {
  auto process = Process::open(proc, wanted.pid);
  if (!process || !wanted.start_time) return process;
  const auto stat = process->stat();
  if (!stat) return tl::unexpected(stat.error());
  if (stat->start_time != *wanted.start_time) {
    return fail(ErrorKind::kGone, "process " + std::to_string(wanted.pid) + " is another by now");
  }
  return process;
}

Result<NamespaceId> mount_namespace_id(int process_directory) {
  struct stat status {};
  if (::fstatat(process_directory, "ns/mnt", &status, 0) < 0) {
    return fail_errno(errno, "looking at a process's mount namespace");
  }
  return NamespaceId{status.st_dev, status.st_ino};
}

Result<ProcessRef> find_host_process(int proc, NamespaceAccess access) {
  const auto init = network_namespace_id(proc, kInit, access);
  if (init) return ProcessRef{kInit, {}};
  if (is_kthreadd(proc) && network_namespace_id(proc, kKthreadd, access))
    return ProcessRef{kKthreadd, {}};
  // There is always an init: where it cannot be seen, /proc hides it (has_pid_permissions() in
  // fs/proc/base.c), and other processes too.
  if (init.error().kind == ErrorKind::kGone) {
    return fail(ErrorKind::kDenied,
                "/proc hides the processes of others (mount option hidepid): CAP_SYS_PTRACE is "
                "missing; add SYS_PTRACE to the container's capabilities, or run as root");
  }
  return tl::unexpected(init.error());
}

Result<NamespaceId> identify(const UniqueFd& network_namespace, NamespaceAccess access) {
  struct stat status {};
  const int failed = access == NamespaceAccess::kText
                         ? ::fstatat(network_namespace.get(), kTextFile, &status, 0)
                         : ::fstat(network_namespace.get(), &status);
  if (failed != 0) {
    return fail_errno(errno, "identifying a network namespace");
  }
  return NamespaceId{status.st_dev, status.st_ino};
}

Result<OpenNamespace> open_namespace(const Process& process, NamespaceAccess access) {
  return identified(open_of(process, access), access);
}

Result<OpenNamespace> open_namespace(const std::string& proc, const NamespaceLocator& locator,
                                     NamespaceAccess access) {
  if (const auto* const file = std::get_if<NamespaceFile>(&locator)) {
    if (access == NamespaceAccess::kText) {
      return fail(
          ErrorKind::kGone,
          "it has no process that may be looked at, by which the engine procfs could read it");
    }
    return identified(open_at(kWorkingDirectory, file->path.c_str(), O_RDONLY), access);
  }
  const auto processes = open_at(kWorkingDirectory, proc.c_str(), O_PATH | O_DIRECTORY);
  if (!processes) return tl::unexpected(processes.error());
  const auto process = open_process(processes->get(), std::get<ProcessRef>(locator));
  if (!process) return tl::unexpected(process.error());
  return open_namespace(*process, access);
}

}  // namespace closewatch
