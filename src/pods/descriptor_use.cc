// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/descriptor_use.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/base/printable.h"
#include "closewatch/node/cgroup_members.h"
#include "closewatch/node/descriptors.h"
#include "closewatch/node/process.h"

namespace closewatch {
namespace {

/// Goes through the processes of one pod.
class PodDescriptors {
 public:
  PodDescriptors(int proc, bool kernel_counts, DescriptorLimits& limits)
      : proc_(proc), kernel_counts_(kernel_counts), limits_(limits) {
    for (auto& [pid, known] : limits_.known) known.seen = false;
  }

  void container(const Container& container, ContainerIndex index) {
    fullest_.reset();
    for (const auto& directory : container.cgroup_directories) {
      const MembersVisitor visitor = [&](std::uint64_t /*cgroup_id*/,
                                         const std::vector<pid_t>& processes) {
        members(processes);
      };
      const auto errors =
          directory.open ? visit_members(*directory.open, directory.path, members_left_, visitor)
                         : visit_members(directory.path, members_left_, visitor);
      for (const auto& error : errors) fail_with(error);
    }
    keep_fullest(index);
  }

  void residents(const std::vector<pid_t>& processes) {
    fullest_.reset();
    members(processes);
    keep_fullest(0);
  }

  Result<std::vector<DescriptorUse>> result() && {
    std::erase_if(limits_.known, [](const auto& entry) { return !entry.second.seen; });
    if (error_) return tl::unexpected(*error_);
    return std::move(found_);
  }

 private:
  /// A process by what it is nearest to its limit with.
  struct Fullest {
    pid_t pid = 0;
    double share = 0;
    std::uint64_t open = 0;
  };

  void fail_with(const Error& error) {
    if (!error_ && error.kind != ErrorKind::kGone) error_ = error;
  }

  void members(const std::vector<pid_t>& processes) {
    for (const auto pid : processes) {
      if (error_) return;
      if (processes_left_ == 0) {
        return fail_with({ErrorKind::kOverLimit,
                          "it has more than " + std::to_string(DescriptorReader::kMostProcesses) +
                              " processes, the most whose descriptors are counted"});
      }
      --processes_left_;
      if (pid == 0) {
        return fail_with({ErrorKind::kForeign,
                          "the pod's processes are outside this PID namespace: run with hostPID: "
                          "true"});
      }
      look_at(pid);
    }
  }

  void look_at(pid_t pid) {
    const auto open = open_descriptors(proc_, std::to_string(pid).c_str(), kernel_counts_, left_);
    if (!open) return fail_with(open.error());
    if (open->count == 0) return;  // a zombie
    const auto limit = limit_of(pid, *open);
    if (!limit) return fail_with(limit.error());
    const double share =
        *limit ? static_cast<double>(open->count) / static_cast<double>(std::max(**limit, kOne))
               : 0;
    if (!fullest_ || std::pair(share, open->count) > std::pair(fullest_->share, fullest_->open)) {
      fullest_ = {pid, share, open->count};
    }
  }

  Result<std::optional<std::uint64_t>> limit_of(pid_t pid, const OpenDescriptors& open) {
    auto& known = limits_.known[pid];
    known.seen = true;
    if (known.process == open.process && known.readings < DescriptorLimits::kLimitsHold) {
      ++known.readings;
      return known.limit;
    }
    const auto process = Process::open(proc_, pid);
    if (!process) return tl::unexpected(process.error());
    auto limit = descriptor_limit(process->directory());
    // Those that begin together shall not all be read again together.
    if (limit) known = {open.process, *limit, static_cast<unsigned>(pid) % 4, true};
    return limit;
  }

  /// All numbers of one process at one moment, through one descriptor of its /proc/PID.
  void keep_fullest(ContainerIndex container) {
    if (!fullest_ || error_) return;
    const auto use = use_of(fullest_->pid, container);
    if (!use) return fail_with(use.error());
    found_.push_back(*use);
  }

  Result<DescriptorUse> use_of(pid_t pid, ContainerIndex container) {
    const auto process = Process::open(proc_, pid);
    if (!process) return tl::unexpected(process.error());
    const auto stat = process->stat();
    if (!stat) return tl::unexpected(stat.error());
    const auto open = open_descriptors(process->directory(), ".", kernel_counts_, left_);
    if (!open) return tl::unexpected(open.error());
    const auto limit = descriptor_limit(process->directory());
    if (!limit) return tl::unexpected(limit.error());
    limits_.known[pid] = {open->process, *limit, 0, true};
    DescriptorUse use{container, open->count, *limit, pid, stat->start_time, printable(stat->comm)};
    if (use.limit) use.limit = std::max(*use.limit, kOne);
    return use;
  }

  /// With a limit of 0 nothing can be opened any more: as full as can be.
  static constexpr std::uint64_t kOne = 1;

  int proc_;
  bool kernel_counts_;
  DescriptorLimits& limits_;
  std::size_t left_ = DescriptorReader::kMostListed;
  std::size_t processes_left_ = DescriptorReader::kMostProcesses;
  MembersLeft members_left_;
  std::optional<Fullest> fullest_;
  std::vector<DescriptorUse> found_;
  std::optional<Error> error_;
};

}  // namespace

DescriptorReader::DescriptorReader(std::string proc, NamespaceAccess access)
    : DescriptorReader(std::move(proc), access, kernel_counts_descriptors()) {}

Result<std::vector<DescriptorUse>> DescriptorReader::read(const Pod& pod,
                                                          const std::vector<pid_t>& residents,
                                                          DescriptorLimits& limits) const {
  const auto proc = open_at(kWorkingDirectory, proc_.c_str(), O_PATH | O_DIRECTORY);
  if (!proc) return tl::unexpected(proc.error());
  PodDescriptors descriptors(proc->get(), kernel_counts_, limits);
  for (std::size_t i = 0; i < pod.containers.size(); ++i) {
    descriptors.container(pod.containers[i], static_cast<ContainerIndex>(i));
  }
  if (pod.located) descriptors.residents(residents);
  return std::move(descriptors).result();
}

Result<ProcessesByNamespace> DescriptorReader::processes_by_namespace() const {
  const auto proc = open_at(kWorkingDirectory, proc_.c_str(), O_RDONLY | O_DIRECTORY);
  if (!proc) return tl::unexpected(proc.error());
  auto processes = list_processes(proc->get());
  if (!processes) return tl::unexpected(processes.error());
  std::sort(processes->begin(), processes->end());
  ProcessesByNamespace found;
  for (const auto pid : *processes) {
    if (pid == kInit) continue;  // it is of the host, even where it may not be looked at
    if (const auto space = network_namespace_id(proc->get(), pid, access_)) {
      found[*space].push_back(pid);
    }
  }
  return found;
}

}  // namespace closewatch
