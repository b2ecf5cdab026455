// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/socket_owners.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "closewatch/base/file.h"
#include "closewatch/base/printable.h"
#include "closewatch/node/cgroup_members.h"
#include "closewatch/node/process.h"

namespace closewatch {
namespace {

class Search {
 public:
  Search(int proc, std::vector<std::uint32_t> inodes, std::size_t most,
         std::chrono::nanoseconds patience)
      : proc_(proc),
        wanted_(std::move(inodes)),
        left_(most),
        until_(std::chrono::steady_clock::now() + patience) {
    std::sort(wanted_.begin(), wanted_.end());
    wanted_.erase(std::unique(wanted_.begin(), wanted_.end()), wanted_.end());
  }

  void process(pid_t pid, ContainerIndex container) {
    if (found_.by_inode.size() == wanted_.size() || is_over()) return;
    if (const auto looked = look_into(pid, container); !looked) fail_with(looked.error());
  }

  /// Whether nothing more is looked at; the result says why.
  bool is_over() {
    if (!over_ && std::chrono::steady_clock::now() >= until_) {
      fail_with({ErrorKind::kOverLimit,
                 "looking through the pod's processes took too long; it was given up"});
    }
    return over_;
  }

  void fail_with(const Error& error) {
    over_ |= error.kind == ErrorKind::kOverLimit;
    if (error.kind != ErrorKind::kGone && !found_.error) found_.error = error;
  }

  SocketOwnerList result() && {
    if (found_.by_inode.size() == wanted_.size()) found_.error.reset();
    return std::move(found_);
  }

 private:
  Result<void> look_into(pid_t pid, ContainerIndex container) {
    const auto process = Process::open(proc_, pid);
    if (!process) return tl::unexpected(process.error());
    std::string comm;
    return process->visit_sockets(left_, [&](std::uint32_t inode) {
      if (!std::binary_search(wanted_.begin(), wanted_.end(), inode)) return;
      if (comm.empty()) comm = comm_of(*process);
      found_.by_inode.try_emplace(inode, SocketOwner{pid, comm, container});
    });
  }

  static std::string comm_of(const Process& process) {
    const auto stat = process.stat();
    return stat ? printable(stat->comm) : "?";
  }

  int proc_;
  std::vector<std::uint32_t> wanted_;
  std::size_t left_;  ///< descriptors that may still be looked at
  std::chrono::steady_clock::time_point until_;
  bool over_ = false;  ///< there are more
  SocketOwnerList found_;
};

void search_containers(const Pod& pod, Search& search) {
  MembersLeft left;
  for (std::size_t i = 0; i < pod.containers.size(); ++i) {
    for (const auto& directory : pod.containers[i].cgroup_directories) {
      const auto errors = visit_members(directory.path, left,
                                        [&](std::uint64_t /*cgroup_id*/, const auto& processes) {
                                          for (const auto pid : processes)
                                            search.process(pid, static_cast<ContainerIndex>(i));
                                        });
      for (const auto& error : errors) search.fail_with(error);
    }
  }
}

void search_namespace(int proc, const NamespaceId& id, Search& search) {
  auto processes = list_processes(proc);
  if (!processes) return search.fail_with(processes.error());
  std::sort(processes->begin(), processes->end());
  for (const auto pid : *processes) {
    if (pid == kInit) continue;  // it is of the host, even where it may not be looked at
    if (search.is_over()) return;
    const auto glance = network_namespace_id(proc, pid);
    if (!glance) {
      search.fail_with(glance.error());
    } else if (*glance == id) {
      search.process(pid, 0);
    }
  }
}

}  // namespace

SocketOwnerList SocketOwners::find(const Pod& pod, std::vector<std::uint32_t> inodes) const {
  const auto proc = open_at(kWorkingDirectory, proc_.c_str(), O_RDONLY | O_DIRECTORY);
  if (!proc) return {{}, proc.error()};
  Search search(proc->get(), std::move(inodes), most_, patience_);
  search_containers(pod, search);
  if (pod.located) search_namespace(proc->get(), pod.located->id, search);
  return std::move(search).result();
}

}  // namespace closewatch
