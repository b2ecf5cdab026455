// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/open_cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>
#include <utility>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

constexpr const char* kProcesses = "cgroup.procs";

/// Only there a name cannot come to be another file.
bool is_of_cgroup2(int file) {
  struct statfs status {};
  return ::fstatfs(file, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

}  // namespace

Result<std::shared_ptr<const OpenCgroup>> OpenCgroup::open(int parent, const char* path,
                                                           bool keeps_list) {
  auto directory = open_at(parent, path, O_PATH | O_DIRECTORY);
  if (!directory) return tl::unexpected(std::move(directory.error()));
  return std::make_shared<const OpenCgroup>(std::move(*directory), keeps_list);
}

Result<struct stat> OpenCgroup::look() const {
  struct stat status {};
  if (::fstat(directory_.get(), &status) != 0) return fail_errno(errno, "looking at a cgroup");
  return status;
}

Result<void> OpenCgroup::read_processes(std::string& text, std::size_t limit) const {
  const std::lock_guard lock(reading_);
  if (processes_.valid()) return read_from_start(processes_.get(), kProcesses, text, limit);
  auto opened = open_at(directory_.get(), kProcesses, O_RDONLY);
  if (!opened) return tl::unexpected(std::move(opened.error()));
  auto read = read_from_start(opened->get(), kProcesses, text, limit);
  if (read && keeps_list_ && is_of_cgroup2(opened->get())) processes_ = std::move(*opened);
  return read;
}

}  // namespace closewatch
