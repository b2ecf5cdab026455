#include "closewatch/pods/namespace_opener.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/node/cgroup_members.h"
#include "closewatch/node/process.h"
#include "pods/cgroup_path.h"
#include "pods/runtime_program.h"

namespace closewatch {
namespace {

/// Collects the namespaces of one pod.
class PodVisit {
 public:
  PodVisit(int proc, NamespaceAccess access, const std::optional<NamespaceId>& node)
      : proc_(proc), access_(access), node_(node) {}

  void container(const Container& container, ContainerIndex index) {
    std::size_t by_unified = 0;
    std::size_t by_others = 0;
    std::vector<ContainerCgroup> cgroups;
    for (const auto& directory : container.cgroup_directories) {
      const auto name = std::string_view(directory.path).substr(directory.path.rfind('/') + 1);
      const auto errors =
          visit_members(directory.path, [&](std::uint64_t id, const std::vector<pid_t>& processes) {
            if (directory.unified) cgroups.push_back({id, index});
            (directory.unified ? by_unified : by_others) += processes.size();
            members(processes, name);
          });
      for (const auto& error : errors) fail_with(error);
    }
    if (by_unified > 0) {
      found_.cgroups.insert(found_.cgroups.end(), cgroups.begin(), cgroups.end());
    } else if (by_others > 0) {
      found_.cgroups_known = false;  // its processes are in no cgroup v2 directory of its own
    }
  }

  void take(Result<OpenNamespace> found) {
    if (!found) {
      fail_with(found.error());
    } else if (node_ && found->id == *node_) {
      at_host_ = true;
    } else if (!is_known(found->id)) {
      found_.own.push_back(std::move(*found));
    }
  }

  Result<PodNamespaces> result() && {
    const bool any = at_host_ || !found_.own.empty();
    // What was denied might be yet another namespace, so the sum would not be the pod's. Processes
    // that ended meanwhile take nothing along that the others do not have.
    if (error_ && (!any || error_->kind != ErrorKind::kGone)) return tl::unexpected(*error_);
    if (!any) return fail(ErrorKind::kGone, "no living process in the pod's cgroups");
    found_.host_network = at_host_ && (found_.own.empty() || host_is_older());
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
      if (pid == 0) {
        fail_with({ErrorKind::kForeign,
                   "the pod's processes are outside this PID namespace: run with hostPID: true"});
        return;
      }
      const auto glance = network_namespace_id(proc_, pid, access_);
      // Whoever shares a namespace that was opened already adds nothing, even if it is a stranger
      // that got the number.
      if (glance && is_known(*glance)) {
        if (may_be_sandboxed()) note_program_of(pid);
        continue;
      }
      auto found = open_member(pid, container_directory);
      if (found) note_first(pid, node_ && found->id == *node_);
      take(std::move(found));
    }
  }

  /// Remembers who was met first in a namespace.
  void note_first(pid_t pid, bool at_host) {
    if (at_host && first_at_host_ == 0) first_at_host_ = pid;
    if (!at_host) first_elsewhere_.push_back(pid);
  }

  /// Whether the pod was in the host's namespace before it was elsewhere: a hostNetwork pod may
  /// make a namespace of its own (Cilium's health endpoint), another may look into the host's
  /// (nsenter).
  [[nodiscard]] bool host_is_older() const {
    const auto since = [this](pid_t pid) {
      const auto stat =
          Process::open(proc_, pid).and_then([](const Process& process) { return process.stat(); });
      return stat ? stat->start_time : std::numeric_limits<std::uint64_t>::max();
    };
    const auto at_host = since(first_at_host_);
    return std::all_of(first_elsewhere_.begin(), first_elsewhere_.end(),
                       [&](pid_t pid) { return at_host <= since(pid); });
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
                       [&](const OpenNamespace& known) { return known.id == id; });
  }

  /// The namespace of a process that was listed in the container's cgroup, if it still is that one.
  Result<OpenNamespace> open_member(pid_t pid, std::string_view container_directory) {
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
    const auto program = process->program();
    note_program(program);
    auto space = open_namespace(*process, access_);
    if (space && node_ && space->id == *node_ && program && may_be_runtime_program(*program) &&
        shares_mounts_with_host(*process)) {
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
  PodNamespaces found_;
  bool at_host_ = false;
  pid_t first_at_host_ = 0;
  std::vector<pid_t> first_elsewhere_;  ///< of each namespace
  bool has_sandbox_program_ = false;
  bool has_other_program_ = false;
  std::optional<Error> error_;
};

/// The process may have moved on since, the file may have been unmounted or mounted anew.
Result<OpenNamespace> open_located(const NamespaceOpener& opener, const LocatedNamespace& located) {
  auto found = opener.open(located.where);
  if (found && found->id != located.id) {
    return fail(ErrorKind::kGone, "the network namespace has gone from where it was seen");
  }
  return found;
}

}  // namespace

Result<OpenNamespace> NamespaceOpener::open(const NamespaceLocator& locator) const {
  return open_namespace(proc_, locator, access_);
}

Result<PodNamespaces> NamespaceOpener::open(const Pod& pod,
                                            const std::optional<NamespaceId>& node) const {
  UniqueFd processes;
  if (!pod.containers.empty()) {
    auto proc = open_at(kWorkingDirectory, proc_.c_str(), O_PATH | O_DIRECTORY);
    if (!proc) return tl::unexpected(proc.error());
    processes = std::move(*proc);
  }
  PodVisit visit(processes.get(), access_, node);
  if (pod.located) visit.take(open_located(*this, *pod.located));
  for (std::size_t i = 0; i < pod.containers.size(); ++i) {
    visit.container(pod.containers[i], static_cast<ContainerIndex>(i));
  }
  return std::move(visit).result();
}

}  // namespace closewatch
