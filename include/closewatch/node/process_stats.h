// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace closewatch {

/// The agent's own consumption, what every exporter calls process_*.
struct ProcessStats {
  double cpu_seconds = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t shared_bytes = 0;  ///< of these, files and what else others may have in common
};

/// Of this process, now. What cannot be read stays 0. Thread-safe.
ProcessStats read_process_stats();
/// The same of another.
ProcessStats read_process_stats(pid_t pid);
/// What this process has used of the CPU until now; of another. Reads no file.
double cpu_seconds_of(pid_t pid);

/// Of two processes of one program: sums, but for descriptors, which each has a limit of its own
/// for (those of the one that has more), and what both have resident in common, which counts once.
ProcessStats together(const ProcessStats& a, const ProcessStats& b);

}  // namespace closewatch
