// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/standalone_namespaces.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/base/printable.h"
#include "closewatch/node/process.h"
#include "pods/cgroup_path.h"

namespace closewatch {
namespace {

constexpr const char* kPodNamespace = "netns";
constexpr std::size_t kShortIdLength = 12;  // as `docker ps` and `podman ps` show it

/// The process that a namespace without a name of its own is known by.
struct OldestProcess {
  pid_t pid = 0;
  ProcessStat stat;
};

/// What is known of one namespace.
struct Found {
  std::string file;  ///< its name in /run/netns, empty without
  std::optional<OldestProcess> oldest;
};
using FoundNamespaces = std::map<NamespaceId, Found>;

/// All namespaces are of one file system (nsfs_mnt in fs/nsfs.c).
Result<dev_t> file_system_of_namespaces() {
  struct stat own {};
  if (::stat("/proc/self/ns/net", &own) < 0) return fail_errno(errno, "/proc/self/ns/net");
  return own.st_dev;
}

/// nullopt for a file that no namespace is mounted on: `ip netns` is about to, or failed to.
std::optional<NamespaceId> mounted_namespace(int directory, const char* name, dev_t file_system) {
  struct stat status {};
  if (::fstatat(directory, name, &status, 0) < 0 || status.st_dev != file_system)
    return std::nullopt;
  return NamespaceId{status.st_dev, status.st_ino};
}

void find_named(const std::string& netns, FoundNamespaces& found, std::vector<Error>& errors) {
  auto directory = Directory::open(kWorkingDirectory, netns.c_str());
  if (!directory) {
    if (directory.error().kind != ErrorKind::kGone) errors.push_back(directory.error());
    return;  // a machine where `ip netns` was never used has no such directory
  }
  const auto file_system = file_system_of_namespaces();
  if (!file_system) {
    errors.push_back(file_system.error());
    return;
  }
  DirectoryEntry entry{};
  auto more = directory->next(entry);
  for (; more && *more; more = directory->next(entry)) {
    std::string name(entry.name);
    const auto id = mounted_namespace(directory->fd(), name.c_str(), *file_system);
    if (!id) continue;
    auto& file = (*found.try_emplace(*id).first).second.file;
    if (file.empty() || name < file) file = std::move(name);
  }
  if (!more) errors.push_back(more.error());
}

bool is_older(const ProcessStat& stat, pid_t pid, const OldestProcess& than) {
  return std::pair(stat.start_time, pid) < std::pair(than.stat.start_time, than.pid);
}

/// Takes note of a process whose namespace is not the host's.
Result<void> note_process(int proc, pid_t pid, NamespaceAccess access, const NamespaceId& node,
                          FoundNamespaces& found) {
  const auto glance = network_namespace_id(proc, pid, access);
  if (!glance) return tl::unexpected(glance.error());
  if (*glance == node) return {};
  // One with a file is known by that, whatever lives in it.
  const auto known = found.find(*glance);
  if (known != found.end() && !known->second.file.empty()) return {};
  // Namespace and start time through one descriptor, so that they are of one process.
  auto process = Process::open(proc, pid);
  if (!process) return tl::unexpected(process.error());
  auto stat = process->stat();
  if (!stat) return tl::unexpected(stat.error());
  const auto space = open_namespace(*process, access);
  if (!space) return tl::unexpected(space.error());
  if (space->id == node) return {};
  auto& oldest = (*found.try_emplace(space->id).first).second.oldest;
  if (!oldest || is_older(*stat, pid, *oldest)) oldest = OldestProcess{pid, std::move(*stat)};
  return {};
}

Result<void> find_by_process(int proc, NamespaceAccess access, const NamespaceId& node,
                             FoundNamespaces& found, std::vector<Error>& errors) {
  const auto processes = list_processes(proc);
  if (!processes) return tl::unexpected(processes.error());
  bool denied = false;
  for (const auto pid : *processes) {
    if (pid == kInit) continue;  // it is of the host, even where it may not be looked at
    const auto noted = note_process(proc, pid, access, node, found);
    if (noted || noted.error().kind == ErrorKind::kGone) continue;
    if (noted.error().kind == ErrorKind::kDenied) {
      denied = true;
    } else {
      errors.push_back(noted.error());
    }
  }
  if (denied) {
    errors.emplace_back(
        ErrorKind::kDenied,
        "some processes do not tell their network namespace, so some may be missing "
        "here: is CAP_SYS_PTRACE missing? run as root");
  }
  return {};
}

/// Known by text, a namespace does not compare with the files; by its oldest process it does, where
/// that may be looked at. The files that remain in `files` are those of namespaces without a
/// process that may.
void name_by_process(int proc, FoundNamespaces& files, FoundNamespaces& found) {
  for (auto& [text_id, what] : found) {
    const auto id = network_namespace_id(proc, what.oldest->pid);
    const auto file = id ? files.find(*id) : files.end();
    if (file != files.end()) what.file = files.extract(file).mapped().file;
  }
}

/// The container of a process, checked to be still the same process; empty without one.
std::string container_id(int proc, const OldestProcess& oldest) {
  const auto process = Process::open(proc, oldest.pid);
  if (!process) return {};
  const auto cgroup = process->cgroup();
  const auto stat = process->stat();
  if (!cgroup || !stat || stat->start_time != oldest.stat.start_time) return {};
  return container_of(*cgroup);
}

Pod pod_from(int proc, const std::string& netns, NamespaceAccess access, const NamespaceId& id,
             const Found& found) {
  Pod pod;
  pod.pod_namespace = kPodNamespace;
  pod.uid = std::to_string(id.inode);  // as lsns(8) shows it
  const bool by_process = found.file.empty() || access == NamespaceAccess::kText;
  if (found.oldest && by_process) {
    pod.located =
        LocatedNamespace{ProcessRef{found.oldest->pid, found.oldest->stat.start_time}, id};
  } else {
    pod.located = LocatedNamespace{NamespaceFile{netns + "/" + found.file}, id};
  }
  if (!found.file.empty()) {
    pod.name = printable(found.file);
    return pod;
  }
  const auto& oldest = *found.oldest;
  if (auto container = container_id(proc, oldest); !container.empty()) {
    pod.name = container.substr(0, kShortIdLength);
    pod.uid = std::move(container);
  } else {
    pod.name = printable(oldest.stat.comm) + "-" + std::to_string(oldest.pid);
  }
  return pod;
}

}  // namespace

StandaloneNamespaces::StandaloneNamespaces(std::string proc, std::string netns,
                                           NamespaceAccess access)
    : proc_(std::move(proc)), netns_(std::move(netns)), access_(access) {}

Result<PodList> StandaloneNamespaces::list() {
  auto proc = open_at(kWorkingDirectory, proc_.c_str(), O_RDONLY | O_DIRECTORY);
  if (!proc) return tl::unexpected(proc.error());
  PodList list;
  FoundNamespaces files;
  find_named(netns_, files, list.errors);
  FoundNamespaces found;
  if (access_ == NamespaceAccess::kNamespace) found.swap(files);
  const auto host = find_host_process(proc->get(), access_);
  if (host) {
    list.node = *host;
    const auto node = network_namespace_id(proc->get(), host->pid, access_);
    if (!node) return tl::unexpected(node.error());
    if (auto done = find_by_process(proc->get(), access_, *node, found, list.errors); !done) {
      return tl::unexpected(done.error());
    }
    found.erase(*node);
    if (access_ == NamespaceAccess::kText) {
      // Perhaps by another process: of init the text may be readable and the namespace not.
      const auto same = find_host_process(proc->get()).and_then([&](const ProcessRef& process) {
        return network_namespace_id(proc->get(), process.pid);
      });
      if (same) files.erase(*same);
      name_by_process(proc->get(), files, found);
    }
  } else {
    // Then any process may stand in the host's namespace; only the named ones are others for sure.
    list.node = tl::unexpected(host.error());
    list.errors.emplace_back(host.error().kind,
                             "only named namespaces are listed: " + host.error().what);
  }
  std::set<std::string> taken;
  found.merge(files);
  list.pods.reserve(found.size());
  for (const auto& [id, what] : found) {
    auto pod = pod_from(proc->get(), netns_, access_, id, what);
    // Two namespaces of one container, a file named like a process: they stay two.
    if (!taken.insert(pod.name).second) pod.name += "-" + std::to_string(id.inode);
    list.pods.push_back(std::move(pod));
  }
  return list;
}

}  // namespace closewatch
