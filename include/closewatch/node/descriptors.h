// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "closewatch/base/result.h"

namespace closewatch {

/// How many descriptors a process has open.
struct OpenDescriptors {
  std::uint64_t count = 0;
  /// The inode number of its /proc/PID/fd: a later process of the same number has another, as
  /// procfs gives a new one to each (proc_pid_make_inode() in fs/proc/base.c).
  ino_t process = 0;
};

/// Whether stat(2) of /proc/PID/fd tells how many descriptors there are, as since Linux 6.2
/// (proc_fd_getattr() in fs/proc/fd.c). Asked of this process, which has some.
bool kernel_counts_descriptors();

/// Of the process whose /proc/PID stands below the directory `below` as `path` ("77", or "." for an
/// open one). Takes the lock of no mm. Where the kernel counts them, any process may ask; else the
/// directory is listed, which takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH for those of other
/// users, and each descriptor that is counted is taken off `left`.
///
/// Errors: kGone when the process has ended, kDenied, kOverLimit when there are more than `left`.
Result<OpenDescriptors> open_descriptors(int below, const char* path, bool kernel_counts,
                                         std::size_t& left);

/// The soft limit of descriptors in the text of /proc/PID/limits; nullopt: unlimited. kMalformed
/// when it is not there. Pure.
Result<std::optional<std::uint64_t>> parse_descriptor_limit(std::string_view limits);

/// The same of a process, whose open /proc/PID is given; any process may ask.
Result<std::optional<std::uint64_t>> descriptor_limit(int process_directory);

}  // namespace closewatch
