// SPDX-License-Identifier: Apache-2.0
#include "closewatch/node/process_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <limits>
#include <sstream>
#include <string>

#include "closewatch/base/file.h"
#include "closewatch/node/descriptors.h"

namespace closewatch {
namespace {

std::uint64_t count_open_fds(pid_t pid, const std::string& process) {
  static const bool kernel_counts = kernel_counts_descriptors();
  auto left = std::numeric_limits<std::size_t>::max();
  const auto open = open_descriptors(kWorkingDirectory, process.c_str(), kernel_counts, left);
  if (!open) return 0;
  const bool counts_itself = !kernel_counts && pid == ::getpid();
  return open->count - (counts_itself ? 1 : 0);
}

}  // namespace

ProcessStats read_process_stats() { return read_process_stats(::getpid()); }

ProcessStats read_process_stats(pid_t pid) {
  const auto process = "/proc/" + std::to_string(pid);
  ProcessStats stats;
  stats.cpu_seconds = cpu_seconds_of(pid);
  rlimit limit{};
  if (::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) == 0) stats.max_fds = limit.rlim_cur;
  stats.open_fds = count_open_fds(pid, process);
  std::string statm;  // "size resident shared …", in pages, proc(5)
  if (read_file_at(kWorkingDirectory, (process + "/statm").c_str(), statm)) {
    std::istringstream fields(statm);
    fields >> stats.virtual_bytes >> stats.resident_bytes >> stats.shared_bytes;
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    for (auto* const pages : {&stats.virtual_bytes, &stats.resident_bytes, &stats.shared_bytes}) {
      *pages *= page;
    }
  }
  return stats;
}

double cpu_seconds_of(pid_t pid) {
  constexpr double kNano = 1e-9;
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + kNano * static_cast<double>(used.tv_nsec);
}

ProcessStats together(const ProcessStats& a, const ProcessStats& b) {
  const auto& busier = a.open_fds < b.open_fds ? b : a;
  return {.cpu_seconds = a.cpu_seconds + b.cpu_seconds,
          .open_fds = busier.open_fds,
          .max_fds = busier.max_fds,
          .virtual_bytes = a.virtual_bytes + b.virtual_bytes,
          .resident_bytes =
              a.resident_bytes + b.resident_bytes - std::min(a.shared_bytes, b.shared_bytes),
          .shared_bytes = std::max(a.shared_bytes, b.shared_bytes)};
}

}  // namespace closewatch
