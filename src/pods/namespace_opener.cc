// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/namespace_opener.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/node/cgroup_members.h"
#include "closewatch/node/descriptor_limit.h"
#include "closewatch/node/process.h"
#include "pods/cgroup_path.h"
#include "pods/runtime_program.h"

namespace closewatch {
namespace {

/// The last part of its path.
std::string_view name_of(const CgroupDirectory& directory) {
  return std::string_view(directory.path).substr(directory.path.rfind('/') + 1);
}

/// Ages are compared of so many of a pod's processes, and only where it stands in several
/// namespaces.
constexpr std::size_t kMostAges = 1024;

/// Clock ticks since boot at which a process began; nullopt once it has ended.
std::optional<std::uint64_t> began(int proc, pid_t pid) {
  const auto stat =
      Process::open(proc, pid).and_then([](const Process& process) { return process.stat(); });
  return stat ? std::optional(stat->start_time) : std::nullopt;
}

/// Whether a process with this /proc/PID/cgroup is the pod's.
bool has_member(const Pod& pod, std::string_view proc_cgroup) {
  return std::any_of(pod.containers.begin(), pod.containers.end(), [&](const Container& container) {
    return std::any_of(container.cgroup_directories.begin(), container.cgroup_directories.end(),
                       [&](const CgroupDirectory& directory) {
                         return lists_directory(proc_cgroup, name_of(directory));
                       });
  });
}

/// Collects the namespaces of one pod.
class PodVisit {
 public:
  PodVisit(int proc, NamespaceAccess access, const std::optional<NamespaceId>& node,
           std::size_t most, KnownProcesses& known)
      : proc_(proc), access_(access), node_(node), most_(most), known_(known) {}

  void container(const Container& container, ContainerIndex index) {
    std::size_t by_unified = 0;
    std::size_t by_others = 0;
    std::vector<ContainerCgroup> cgroups;
    for (const auto& directory : container.cgroup_directories) {
      // Those of the hybrid layout come after v2's, and list the same processes: a runtime puts a
      // process into all of a container's cgroups.
      if (by_unified > 0) break;
      const auto name = name_of(directory);
      const MembersVisitor visitor = [&](std::uint64_t id, const std::vector<pid_t>& processes) {
        if (directory.unified) cgroups.push_back({id, index});
        (directory.unified ? by_unified : by_others) += processes.size();
        members(processes, name);
      };
      const auto errors = directory.open
                              ? visit_members(*directory.open, directory.path, left_, visitor)
                              : visit_members(directory.path, left_, visitor);
      for (const auto& error : errors) fail_with(error);
    }
    if (by_unified > 0) {
      found_.cgroups.insert(found_.cgroups.end(), cgroups.begin(), cgroups.end());
    } else if (by_others > 0) {
      found_.cgroups_known = false;  // its processes are in no cgroup v2 directory of its own
    }
  }

  void take(Result<OpenNamespace> found, NamespaceLocator where) {
    if (!found) {
      fail_with(found.error());
    } else if (node_ && found->id == *node_) {
      at_host_ = true;
    } else if (!is_known(found->id)) {
      if (found_.own.size() == most_) {
        fail_with({ErrorKind::kOverLimit, "it has more than " + std::to_string(most_) +
                                              " network namespaces, the most that are read of a "
                                              "pod"});
        return;
      }
      // Only of a pod with a single one is it known already whose it is: others are opened again.
      const bool first = found_.own.empty();
      if (!first) found_.own.front().fd = UniqueFd();
      auto id = found->id;
      found_.own.push_back({id, first ? std::move(found->fd) : UniqueFd(), {std::move(where), id}});
    }
  }

  Result<PodNamespaces> result() && {
    const bool any = at_host_ || !found_.own.empty();
    // What was denied might be yet another namespace, so the sum would not be the pod's. Processes
    // that ended meanwhile take nothing along that the others do not have.
    if (error_ && (!any || error_->kind != ErrorKind::kGone)) return tl::unexpected(*error_);
    if (!any) return fail(ErrorKind::kGone, "no living process in the pod's cgroups");
    found_.host_network = at_host_;
    if (found_.own.size() + (at_host_ ? 1 : 0) > 1) find_home();
    found_.sandboxed = may_be_sandboxed();
    return std::move(found_);
  }

 private:
  void fail_with(const Error& error) {
    if (!error_ || error_->kind == ErrorKind::kGone) error_ = error;
  }

  /// Looks at each process, as any may stand in a namespace of its own, and opens those that are
  /// new.
  void members(const std::vector<pid_t>& pids, std::string_view container_directory) {
    for (const auto pid : pids) {
      if (error_ && error_->kind == ErrorKind::kOverLimit) return;
      if (pid == 0) {
        fail_with({ErrorKind::kForeign,
                   "the pod's processes are outside this PID namespace: run with hostPID: true"});
        return;
      }
      if (shares_known_namespace(pid)) continue;
      auto found = open_member(pid, container_directory);
      if (found) stands_.emplace_back(pid, found->id);
      take(std::move(found), ProcessRef{pid, {}});
    }
  }

  /// Whoever shares a namespace that was opened already adds nothing, even if it is a stranger that
  /// got the number.
  bool shares_known_namespace(pid_t pid) {
    if (stands_.empty()) return false;
    const auto glance = network_namespace_id(proc_, pid, access_);
    if (!glance || !is_known(*glance)) return false;
    if (may_be_sandboxed()) note_program_of(pid);
    stands_.emplace_back(pid, *glance);
    return true;
  }

  /// The home is where the oldest process stands, which has made the pod what it is: the sandbox's
  /// ("pause") or, where there is none, a container's. Others have entered another namespace or
  /// made one. O(processes · log processes).
  void find_home() {
    std::optional<std::pair<std::uint64_t, NamespaceId>> oldest;
    stands_.resize(std::min(stands_.size(), kMostAges));
    for (const auto& [pid, space] : stands_) {
      const auto since = began(proc_, pid);
      if (!since) continue;
      if (!oldest || *since < oldest->first) oldest = {*since, space};
      note_start(pid, *since);
    }
    const bool at_host = oldest && node_ && oldest->second == *node_;
    found_.host_network = at_host;
    if (at_host || !oldest) return;
    const auto home = std::find_if(found_.own.begin(), found_.own.end(),
                                   [&](const auto& space) { return space.id == oldest->second; });
    if (home != found_.own.end()) std::iter_swap(found_.own.begin(), home);
  }

  /// So that a later process of the same number is no way into the namespace.
  void note_start(pid_t pid, std::uint64_t since) {
    for (auto& space : found_.own) {
      auto* const process = std::get_if<ProcessRef>(&space.at.where);
      if (process != nullptr && process->pid == pid && !process->start_time) {
        process->start_time = since;
      }
    }
  }

  /// Whether the programs seen so far are all of a sandbox's host side.
  [[nodiscard]] bool may_be_sandboxed() const {
    return has_sandbox_program_ && !has_other_program_;
  }

  void note_program_of(pid_t pid) {
    if (const auto process = Process::open(proc_, pid)) note_program(process->program());
  }

  [[nodiscard]] bool is_known(const NamespaceId& id) const {
    if (node_ && at_host_ && id == *node_) return true;
    return std::any_of(found_.own.begin(), found_.own.end(),
                       [&](const PodNamespace& known) { return known.id == id; });
  }

  /// The namespace of a process that was listed in the container's cgroup, if it still is that one.
  Result<OpenNamespace> open_member(pid_t pid, std::string_view container_directory) {
    // Who is known and alive has had its number all the time, so it is the one that was listed.
    if (const auto known = known_.find(pid)) {
      auto space = open_namespace_of(*known);
      if (space || space.error().kind != ErrorKind::kGone) return space;
    }
    auto process = Process::open(proc_, pid);
    if (!process) return tl::unexpected(process.error());
    // Ourselves we cannot have mistaken, and in a cgroup namespace of our own our path is just "/".
    if (pid != ::getpid()) {
      const auto cgroup = process->cgroup();
      if (!cgroup) return tl::unexpected(cgroup.error());
      if (!lists_directory(*cgroup, container_directory)) {
        return fail(ErrorKind::kGone, "process " + std::to_string(pid) + " is another by now");
      }
    }
    auto space = open_namespace_of(*process);
    if (space) known_.keep(pid, std::make_shared<const Process>(std::move(*process)));
    return space;
  }

  Result<OpenNamespace> open_namespace_of(const Process& process) {
    auto space = open_namespace(process, access_);
    if (!space) return space;
    const auto program = process.program();
    note_program(program);
    if (node_ && space->id == *node_ && program && may_be_runtime_program(*program) &&
        shares_mounts_with_host(process)) {
      return fail(ErrorKind::kGone, "the container's runtime is only on its way into the pod");
    }
    return space;
  }

  void note_program(const Result<std::string>& program) {
    (program && is_sandbox_program(*program) ? has_sandbox_program_ : has_other_program_) = true;
  }

  /// Whether a process still sees the host's mounts, as a container's cannot make it seem. A
  /// runtime is put into the container's cgroup before it enters any of its namespaces (runc's
  /// `init`, libcontainer/process_linux.go and nsenter/nsexec.c; crun likewise).
  [[nodiscard]] bool shares_mounts_with_host(const Process& process) const {
    const auto own = mount_namespace_id(process.directory());
    const auto host = host_mounts();
    return own && host && *own == *host;
  }

  [[nodiscard]] Result<NamespaceId> host_mounts() const {
    const auto init = Process::open(proc_, kInit);
    if (!init) return tl::unexpected(init.error());
    return mount_namespace_id(init->directory());
  }

  int proc_;
  NamespaceAccess access_;
  const std::optional<NamespaceId>& node_;
  std::size_t most_;
  KnownProcesses& known_;
  PodNamespaces found_;
  bool at_host_ = false;
  std::vector<std::pair<pid_t, NamespaceId>> stands_;  ///< who where
  MembersLeft left_;
  bool has_sandbox_program_ = false;
  bool has_other_program_ = false;
  std::optional<Error> error_;
};

}  // namespace

NamespaceOpener::NamespaceOpener(std::string proc, NamespaceAccess access, std::size_t most)
    : proc_(std::move(proc)),
      access_(access),
      most_(most),
      known_(std::make_shared<KnownProcesses>(descriptors_to_keep())) {}

/// By its open directory, a known process is the one that was seen there, whoever has its number.
Result<std::shared_ptr<const Process>> NamespaceOpener::process_in(
    const LocatedNamespace& located) const {
  const auto& wanted = std::get<ProcessRef>(located.where);
  if (auto known = known_->find(wanted.pid); known && check_stands(*known, located)) return known;
  const auto processes = open_at(kWorkingDirectory, proc_.c_str(), O_PATH | O_DIRECTORY);
  if (!processes) return tl::unexpected(processes.error());
  auto process = open_process(processes->get(), wanted);
  if (!process) return tl::unexpected(process.error());
  if (auto stands = check_stands(*process, located); !stands) {
    return tl::unexpected(stands.error());
  }
  return std::make_shared<const Process>(std::move(*process));
}

Result<void> NamespaceOpener::check_stands(const Process& process,
                                           const LocatedNamespace& located) const {
  const auto id = network_namespace_id(process, access_);
  if (!id) return tl::unexpected(id.error());
  if (*id != located.id) {
    return fail(ErrorKind::kGone, "the process has gone into another network namespace");
  }
  return {};
}

/// The process may have moved on since, the file may have been unmounted or mounted anew.
Result<OpenNamespace> NamespaceOpener::open(const LocatedNamespace& located) const {
  auto found = open(located.where);
  if (found && found->id != located.id) {
    return fail(ErrorKind::kGone, "the network namespace has gone from where it was seen");
  }
  return found;
}

Result<OpenNamespace> NamespaceOpener::open(const NamespaceLocator& locator) const {
  return open_namespace(proc_, locator, access_);
}

std::optional<ino_t> NamespaceOpener::inode_of(const PodNamespace& space) const {
  if (access_ == NamespaceAccess::kNamespace) return space.id.inode;
  const auto* const process = std::get_if<ProcessRef>(&space.at.where);
  if (process == nullptr) return std::nullopt;
  const auto proc = open_at(kWorkingDirectory, proc_.c_str(), O_PATH | O_DIRECTORY);
  if (!proc) return std::nullopt;
  const auto id = network_namespace_id(proc->get(), process->pid);
  return id ? std::optional(id->inode) : std::nullopt;
}

Result<PodNamespaces> NamespaceOpener::open(const Pod& pod,
                                            const std::optional<NamespaceId>& node) const {
  UniqueFd processes;
  if (!pod.containers.empty()) {
    auto proc = open_at(kWorkingDirectory, proc_.c_str(), O_PATH | O_DIRECTORY);
    if (!proc) return tl::unexpected(proc.error());
    processes = std::move(*proc);
  }
  PodVisit visit(processes.get(), access_, node, most_, *known_);
  if (pod.located) visit.take(open(*pod.located), pod.located->where);
  for (std::size_t i = 0; i < pod.containers.size(); ++i) {
    visit.container(pod.containers[i], static_cast<ContainerIndex>(i));
  }
  return std::move(visit).result();
}

Result<std::optional<std::size_t>> NamespaceOpener::founder_of(
    const NamespaceId& space, const std::vector<const Pod*>& pods) const {
  const auto proc = open_at(kWorkingDirectory, proc_.c_str(), O_RDONLY | O_DIRECTORY);
  if (!proc) return tl::unexpected(proc.error());
  const auto processes = list_processes(proc->get());
  if (!processes) return tl::unexpected(processes.error());
  std::optional<std::uint64_t> oldest;
  std::optional<std::size_t> founder;
  for (const auto pid : *processes) {
    const auto stands = network_namespace_id(proc->get(), pid, access_);
    if (!stands || *stands != space) continue;
    const auto since = began(proc->get(), pid);
    if (!since || (oldest && *since > *oldest)) continue;
    const auto cgroup = Process::open(proc->get(), pid).and_then([](const Process& process) {
      return process.cgroup();
    });
    if (!cgroup) continue;
    const auto pod = std::find_if(pods.begin(), pods.end(),
                                  [&](const Pod* one) { return has_member(*one, *cgroup); });
    const auto place = pod == pods.end()
                           ? std::nullopt
                           : std::optional(static_cast<std::size_t>(pod - pods.begin()));
    founder = oldest == since && founder != place ? std::nullopt : place;
    oldest = since;
  }
  return founder;
}

}  // namespace closewatch
