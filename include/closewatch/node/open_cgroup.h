// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"

namespace closewatch {

/// A cgroup's directory, open. Kept from scan to scan it spares the walk down its path, which is
/// most of what a look costs. It keeps nothing alive: kernfs lets a cgroup go whatever is open of
/// it, and answers ENODEV from then on (kernfs_drain_open_files() in fs/kernfs/file.c); its number
/// is no other's as long as it is open. Thread-safe.
class OpenCgroup {
 public:
  /// Opens `path` below the directory `parent`. With `keeps_list` its cgroup.procs stays open, too,
  /// once it was read, if it is of cgroup v2.
  static Result<std::shared_ptr<const OpenCgroup>> open(int parent, const char* path,
                                                        bool keeps_list);

  /// What fstat(2) says of it: its number, and in the links how many directories are in it.
  [[nodiscard]] Result<struct stat> look() const;
  /// The text of its cgroup.procs, as read_file_at(). That of v1 never stays open: the kernel gives
  /// what is open its list of a second ago (cgroup_pidlist_start() in kernel/cgroup/cgroup-v1.c).
  Result<void> read_processes(std::string& text, std::size_t limit) const;
  /// For openat(2) below it.
  [[nodiscard]] int directory() const { return directory_.get(); }

  OpenCgroup(UniqueFd directory, bool keeps_list)
      : directory_(std::move(directory)), keeps_list_(keeps_list) {}

 private:
  UniqueFd directory_;
  bool keeps_list_;
  mutable std::mutex reading_;  ///< for as long as that takes: see HangGuard
  mutable UniqueFd processes_;
};

}  // namespace closewatch
